"""Where an upgrade happens: what it asks of Compose, or of a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from freehold.deploy.dify.backup.place import Place
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.target import DifyTarget

Say = Callable[[str], None]
"""Told what is done."""


class Stage(Protocol):
    """Every method may block, and raises FreeholdError."""

    @property
    def place(self) -> Place:
        """The data, and what stops and starts services: of the version that was put in place last."""

    def verify(self, version: str) -> None:
        """All that `version` takes can be had: images, secrets that the user has. Changes nothing."""

    def put(self, version: str) -> None:
        """From now on its files, images and secrets are those of `version`, and its databases run; nobody writes."""

    def migrate(self) -> None:
        """Bring the databases to the version in place, by its own migration job; returns when it has ended well."""

    def run(self, words: Sequence[str]) -> None:
        """Run a program of the api service in the version in place, beside the databases, to its good end."""

    def start(self) -> None:
        """Start all services of the version in place; `try_out` waits until they answer."""

    def try_out(self) -> None:
        """Ask the running Dify what its users ask. Raises what is wrong."""


@dataclass
class Laid:
    """What Compose and a cluster do alike as a Stage: by the Dify `target` that `freehold deploy` starts, too.

    `deployment` and `data` are those of a version, by its number; `ask` is the smoke test.
    """

    target: DifyTarget
    deployment: Callable[[str], Deployment]
    data: Callable[[str], Place]
    ask: Callable[[], None]
    say: Say
    version: str
    """The one in place."""

    @property
    def place(self) -> Place:
        """As Stage."""
        return self.data(self.version)

    def verify(self, version: str) -> None:
        """As Stage."""
        self.target.verify(self.deployment(version))

    def start(self) -> None:
        """As Stage."""
        self.target.start(self.deployment(self.version), self.say)

    def try_out(self) -> None:
        """As Stage."""
        self.ask()
