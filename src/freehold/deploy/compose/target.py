"""Docker Compose as the place where a rollout puts services: one machine, one project, one folder.

Versions of a unit are services of their own names, so that they run beside each other; `compose.yaml` has those of the
last deployment, and what it does not name is found by its labels until it is stopped.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from ssl import CERT_NONE, create_default_context
from typing import Any
from urllib.parse import urlsplit

from freehold.config.labels import GATEWAY
from freehold.deploy.compose import place
from freehold.deploy.compose.containers import host_of, state_of
from freehold.deploy.compose.dify_target import ComposeDify
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.layout import CONFIG, SECRETS, config_folder, files_of, service_of
from freehold.deploy.compose.project import FOLDER, ONE_OFF, PROJECT, SERVICE, in_project, logged, probed, written
from freehold.deploy.compose.render import URL_LABEL, render
from freehold.deploy.compose.verifying import pull_missing, verify_unit
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Running
from freehold.errors import FreeholdError

_ASK_S = 300.0  # a golden of a model that generates text takes its time
_LOOK_S = 10.0  # what is only looked at comes at once, or the gateway hangs


@dataclass(frozen=True)
class ComposeTarget:
    """The deployment `name` in `folder`, which has its files and secrets."""

    docker: Docker
    name: str
    folder: Path
    key: str | None = field(default=None, repr=False)
    """Opens the gateway, where the configuration names one: else the one that the deployment made does."""

    @property
    def dify(self) -> ComposeDify:
        """The Dify beside the models, in the same project and folder."""
        return ComposeDify(self.docker, self.name, self.folder)

    def running(self) -> Sequence[Running]:
        """What of this deployment is there now, whatever made it, the gateway included."""
        every = self._containers()
        return [state_of(probed(self.docker, one), partial(written, self.docker, one["Id"])) for one in every]

    def verify(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Every image is here, every path and secret is there, and each new service of ours accepts its models."""
        self._containers()
        values = place.secret_values(deployment, self.docker.environ)
        render(deployment)
        place.check_mounts(units)
        pull_missing(self.docker, (unit.image for unit in (*units, deployment.gateway)))
        place.write_secrets(self.folder, deployment, values)
        place.make_states(units)
        for unit in (unit for unit in units if unit.role == "models"):
            with tempfile.TemporaryDirectory(prefix=".verify-", dir=self.folder) as config:
                place.write_files(Path(config), {path.lstrip("/"): text for path, text in unit.files.items()})
                verify_unit(self.docker, unit, self.folder, Path(config))

    def start(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Start `units`, of this deployment or of another one, beside all that runs.

        A gateway takes the place of the one that runs, with the configuration that this one has.
        """
        shown = _with(deployment, units)
        values = place.secret_values(shown, self.docker.environ)
        files = render(shown)
        place.write_secrets(self.folder, shown, values)
        place.make_states(units)
        if shown.has_dify:
            self.dify.write(shown)
        routed = {path for unit in units if unit.role == "gateway" and self._gateways() for path in files_of(unit)}
        wanted = {path for unit in units for path in files_of(unit)} - routed
        wanted |= {path for path in files if not path.startswith(f"{CONFIG}/")}
        place.write_files(self.folder, {path: files[path] for path in sorted(wanted)})
        up = ("up", "-d", "--no-deps")
        if beside := [service_of(unit) for unit in units if unit.role != "gateway"]:
            self._compose(*up, "--no-recreate", *beside)
        if any(unit.role == "gateway" for unit in units):
            self._compose(*up, GATEWAY)

    def scale(self, deployment: Deployment, units: Sequence[Unit], places: Mapping[str, str], percent: int) -> str:
        """Nothing: each service has one copy."""
        return ""

    def route(self, deployment: Deployment, text: str) -> None:
        """Give the gateway the configuration `text`, which it takes up by itself."""
        (path,) = files_of(deployment.gateway)
        place.write_files(self.folder, {path: text})

    def stop(self, hosts: Sequence[str]) -> None:
        """Stop these services and remove them with their files, each within its grace time.

        All versions of the gateway have the same files: what a Compose that was killed left of one goes without them.
        """
        there = self._containers()
        going = [one for one in there if host_of(one) in hosts]
        if going:
            ids = [one["Id"] for one in going]
            self.docker.run("stop", *ids)
            self.docker.run("rm", "--force", "--volumes", *ids)
        stay = {_service(one) for one in there if one not in going}
        for service in {_service(one) for one in going} - stay - {""}:
            shutil.rmtree(self.folder / config_folder(service), ignore_errors=True)
        if len(going) == len(there):
            self._remove_networks()

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request to the gateway, by the address that it is published on: status and body."""
        url = self._url()
        connection = _connection(url, _ASK_S if body else _LOOK_S)
        sent = {"content-type": "application/json", **self._access(), **(headers or {})}
        try:
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise FreeholdError("compose_gateway_silent", url=url, reason=reason) from None
        finally:
            connection.close()

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that a service wrote. `host`: of one version, or the name of a unit for what it has now."""
        every = self._containers()
        found = [one for one in every if host in (host_of(one), host_of(one).rpartition("-")[0])]
        if not found:
            known = ", ".join(sorted(host_of(one) for one in every)) or "-"
            raise FreeholdError("compose_service_unknown", service=host, known=known)
        newest = max(found, key=lambda one: str(one["Created"]))
        return logged(self.docker, newest["Id"], follow, tail)

    def _containers(self) -> list[dict[str, Any]]:
        """Those of this deployment. Raises `compose_project_taken` where others have its name, or it has another home:
        to Docker all of them are one project, and a rollout would stop what it does not know."""
        listed = self.docker.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={PROJECT}={self.name}")
        every = self.docker.inspected(listed.split())
        for one in every:
            folder = one["Config"]["Labels"].get(FOLDER)
            if folder is not None and Path(folder).resolve() != self.folder.resolve():
                raise FreeholdError("compose_project_taken", name=self.name, folder=folder, here=self.folder)
        return [one for one in every if host_of(one) and one["Config"]["Labels"].get(ONE_OFF) != "True"]

    def _gateways(self) -> list[dict[str, Any]]:
        """The containers of the gateway that run: one, or none."""
        return [one for one in self._containers() if _service(one) == GATEWAY and one["State"]["Running"]]

    def _url(self) -> str:
        """Where the gateway that runs is, which may be another place than the coming one's."""
        for one in self._gateways():
            return str(one["Config"]["Labels"][URL_LABEL])
        raise FreeholdError("compose_gateway_silent", url=self.name, reason="none runs")

    def _compose(self, *words: str) -> None:
        in_project(self.docker, self.name, self.folder, *words)

    def _remove_networks(self) -> None:
        ids = self.docker.run("network", "ls", "--quiet", "--filter", f"label={PROJECT}={self.name}").split()
        if ids:
            self.docker.run("network", "rm", *ids)

    def _access(self) -> Mapping[str, str]:
        key = self.key
        if key is None:
            try:
                key = (self.folder / SECRETS / ACCESS.name).read_text(encoding="ascii").strip()
            except FileNotFoundError:  # anyone may call
                return {}
        return {"authorization": f"Bearer {key}"}


def _connection(url: str, wait_s: float) -> HTTPConnection:
    """By any certificate: it is this machine's own gateway, whose name may be another one."""
    place = urlsplit(url)
    assert place.hostname is not None, "a label of ours"
    if place.scheme == "http":
        return HTTPConnection(place.hostname, place.port, timeout=wait_s)
    context = create_default_context()
    context.check_hostname = False
    context.verify_mode = CERT_NONE
    return HTTPSConnection(place.hostname, place.port, timeout=wait_s, context=context)


def _with(deployment: Deployment, units: Sequence[Unit]) -> Deployment:
    """The deployment with `units` in it: those of the one before come back when a rollout is taken back."""
    gateways = [unit for unit in units if unit.role == "gateway"]
    named = {unit.host for unit in deployment.units}
    others = [unit for unit in units if unit.role != "gateway" and unit.host not in named]
    return replace(
        deployment, units=(*deployment.units, *others), gateway=gateways[0] if gateways else deployment.gateway
    )


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"].get(SERVICE, ""))
