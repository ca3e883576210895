"""What a rollout asks of the place where services run: Docker Compose on this machine, or a Kubernetes cluster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class Running:
    """One service that is there: `host` is Unit.host; `reason` why it is not ready, in our words."""

    host: str
    state: Literal["starting", "ready", "failed", "stopped"]
    reason: FreeholdError | None = None


class DifyTarget(Protocol):
    """The place of the Dify that is deployed beside the models; every method may block, and raises FreeholdError."""

    def version(self) -> str | None:
        """The release of Dify whose data is there; None where there is none, or nothing tells."""

    def verify(self, deployment: Deployment) -> None:
        """All that the Dify of `deployment` takes can be had: images, secrets that the user has. Nothing is changed."""

    def start(self, deployment: Deployment, say: Callable[[str], None]) -> None:
        """Put it there, or change what is there; returns when all of it is ready. `say` is told what is done."""

    def hosts(self, deployment: Deployment) -> Mapping[str, str]:
        """By what Dify calls its services, jobs aside, the names of the hosts that `deployment` has them by."""

    def running(self) -> Sequence[Running]:
        """Its services, jobs aside, by the names of their hosts."""

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that one of its services wrote."""

    def stop(self) -> None:
        """Stop and remove its services. Its data stays, and the secrets without which nobody can read it."""


class Target(Protocol):
    """Changes nothing but what it is asked to; every method may block, and raises FreeholdError."""

    @property
    def dify(self) -> DifyTarget:
        """The place of the Dify beside the models."""

    def running(self) -> Sequence[Running]:
        """What of this deployment is there now, whatever made it, the gateway included."""

    def verify(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Have the new image check every artifact of `units`, beside what runs. Raises with its words."""

    def start(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Start `units` beside all that runs already; returns before they are ready."""

    def scale(self, deployment: Deployment, units: Sequence[Unit], places: Mapping[str, str], percent: int) -> str:
        """Let each of `units` keep so many copies ready as its share of the requests needs: `percent` of those that the
        version has ready whose place it takes, by `places` from host to host, and never less than configured.

        With 0 all is as configured, also of versions that a release before had in another number. Returns what is not
        ready yet, "" for nothing; ask again until then.
        """

    def route(self, deployment: Deployment, text: str) -> None:
        """Give the gateway the configuration `text`; returns when the file is written, not when it is in force."""

    def stop(self, hosts: Sequence[str]) -> None:
        """Stop these services and remove them, each within its grace time."""

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request to the gateway: status and body."""

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that a service wrote."""
