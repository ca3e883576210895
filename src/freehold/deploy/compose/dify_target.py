"""The Dify of a deployment as containers of its Compose project: started in its own order, its data never touched."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from freehold.artifact.artifact import write_durably
from freehold.deploy.compose.containers import state_of
from freehold.deploy.compose.dify import (
    ENTRANCE,
    FOLDER,
    SECRETS_FILE,
    SERVICE_LABEL,
    STATEFUL_LABEL,
    files,
    volume_name,
)
from freehold.deploy.compose.dify_place import write_dify
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.layout import FILE, config_folder, secret_path
from freehold.deploy.compose.place import PRIVATE, made_folder, write_files
from freehold.deploy.compose.project import PROJECT, in_project, logged, probed, written
from freehold.deploy.compose.render import HOST_LABEL, render
from freehold.deploy.compose.verifying import pull_missing
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.target import Running
from freehold.deploy.topology import secrets
from freehold.deploy.topology.facts import EVERYWHERE
from freehold.deploy.topology.installation import installation
from freehold.deploy.topology.service import Installation, Service
from freehold.errors import FreeholdError

VERSION_FILE = f"{FOLDER}/version"
JOB_S = 3600.0
"""How long a migration may take: it rewrites tables, and ends by itself."""
SLACK_S = 120.0
"""Beside a service's own time to start: a machine that starts twelve of them is busy."""
_LOOK_S = 1.0
_ANSWERS_S = 1.0
_CRASHES = 3
_SAID = 3  # lines


@dataclass(frozen=True)
class ComposeDify:
    """The Dify of the deployment `name` in `folder`."""

    docker: Docker
    name: str
    folder: Path
    sleep: Callable[[float], None] = time.sleep

    def version(self) -> str | None:
        """The release of Dify whose data is there; None where there is none."""
        try:
            return (self.folder / VERSION_FILE).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise FreeholdError("release_damaged", path=self.folder / VERSION_FILE, reason=error) from None

    def verify(self, deployment: Deployment) -> None:
        """Every image is here, and every secret that the user has; those that were made are not lost, nor the data; its
        port is nobody else's.

        Raises `dify_secrets_lost`, `dify_data_lost`, `compose_port_taken`, and what secrets and images do.
        """
        dify = _dify_of(deployment)
        self._check_kept(dify)
        self._check_data(dify)
        self._check_port(deployment)
        secrets.resolved(dify, self.docker.environ)
        secrets.file_contents(dify, self.docker.environ)
        pull_missing(self.docker, (service.image for service in dify.services))

    def start(self, deployment: Deployment, say: Callable[[str], None]) -> None:
        """Put it there, or change what is there; returns when all of it is ready.

        What others need is ready before they start, migrations included: one that fails leaves the services behind it
        as they are. Only what differs is made anew, and what reads a file that changed is started again.

        Raises `dify_secrets_lost`, `dify_job_failed`, `dify_service_failed`, and as `write_dify`.
        """
        dify = self.lay(deployment)
        self.bring(dify, dify.services, say)
        self._remove({service.name for service in dify.services})

    def lay(self, deployment: Deployment) -> Installation:
        """All files that it is started by, and word of its release. Starts nothing. Raises as `write`."""
        dify = self.write(deployment)
        self._write_changed({FILE: render(deployment)[FILE]})
        self._note(dify.version)
        return dify

    def bring(self, dify: Installation, services: Sequence[Service], say: Callable[[str], None]) -> None:
        """Start some of `dify` after `lay`: `services`, and before each the ones of them that it needs.

        Raises `dify_job_failed`, `dify_service_failed`.
        """
        self._let_go()
        for wave in waves(services):
            say(f"starting Dify {dify.version}: {', '.join(one.name for one in wave)}")
            in_project(self.docker, self.name, self.folder, "up", "-d", "--no-deps", *(one.name for one in wave))
            self._read_again(wave)
            for service in wave:
                self._await(service)

    def write(self, deployment: Deployment) -> Installation:
        """All files that compose.yaml names for it, without which Compose starts nothing, Dify or not.

        Raises `dify_secrets_lost`, and as `write_dify`.
        """
        dify = _dify_of(deployment)
        self._check_kept(dify)
        write_dify(self.folder, dify, self.docker.environ)
        self._write_changed(files(dify))
        return dify

    def hosts(self, deployment: Deployment) -> Mapping[str, str]:
        """Its services, jobs aside: here they are called as Dify calls them."""
        return {one.name: one.name for one in _dify_of(deployment).services if one.kind == "server"}

    def running(self) -> Sequence[Running]:
        """Its services, jobs aside, by name."""
        found = {name: one for name, one in self._containers().items() if not _is_done(one)}
        return [self._state(name, one) for name, one in sorted(found.items())]

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that a service wrote. Raises `compose_service_unknown`."""
        there = self._containers()
        if host not in there:
            raise FreeholdError("compose_service_unknown", service=host, known=", ".join(sorted(there)) or "-")
        return logged(self.docker, there[host]["Id"], follow, tail)

    def stop(self) -> None:
        """Stop and remove its containers. Volumes stay, and the file of secrets."""
        self._remove(set())

    def _check_kept(self, dify: Installation) -> None:
        """Databases that are there were made with secrets: other ones would open nothing."""
        if (self.folder / SECRETS_FILE).exists():
            return
        if left := self._volumes(dify):
            raise FreeholdError(
                "dify_secrets_lost",
                secrets=self.folder / SECRETS_FILE,
                volume=f"the volume {left[0]}",
                removal=f"docker volume rm {left[0]}",
            )

    def _check_data(self, dify: Installation) -> None:
        """`docker system prune --volumes` takes those of a Dify that is down: another, empty one is not the same."""
        if (version := self.version()) is not None and not self._volumes(dify):
            path = self.folder / VERSION_FILE
            raise FreeholdError("dify_data_lost", version=version, volumes=volume_name(self.name, "*"), path=path)

    def _volumes(self, dify: Installation) -> list[str]:
        """Those of its volumes that are there."""
        wanted = {volume_name(self.name, one.name) for service in dify.services for one in service.volumes}
        there = self.docker.run("volume", "ls", "--quiet", "--filter", f"name={volume_name(self.name, '')}").split()
        return sorted(wanted.intersection(there))

    def _check_port(self, deployment: Deployment) -> None:
        """Before anything starts: Docker would say so of the entrance, which is the last. It may be ours already."""
        dify = deployment.config.dify
        assert dify is not None, "asked only where one is deployed"
        if ENTRANCE in self._containers():
            return
        host = EVERYWHERE.get(dify.host, dify.host)
        with suppress(OSError), socket.create_connection((host, dify.public_port), _ANSWERS_S):
            raise FreeholdError("compose_port_taken", host=dify.host, port=dify.public_port)

    def _write_changed(self, wanted: Mapping[str, str]) -> None:
        """Only what differs: by its age a container is known to have read it."""
        differing = {path: text for path, text in wanted.items() if _text(self.folder / path) != text}
        write_files(self.folder, differing)

    def _note(self, version: str) -> None:
        """Before its databases are touched: a migration that fails half way has touched them."""
        path = self.folder / VERSION_FILE
        if _text(path) != version:
            made_folder(path.parent, PRIVATE)
            write_durably(path, version.encode("ascii"), 0o600)

    def _read_again(self, wave: Sequence[Service]) -> None:
        """Start those again that began before a file which they read was written."""
        there = self._containers()
        for service in wave:
            one = there.get(service.name)
            if one is not None and service.kind == "server" and self._changed_at(service) > _began(one):
                self.docker.run("restart", one["Id"])

    def _changed_at(self, service: Service) -> float:
        """When the newest file that it reads was written; seconds of the wall clock."""
        paths = [f"{config_folder(service.name)}{path}" for path in service.files]
        paths += [secret_path(file) for file in service.secret_files.values()]
        return max(((self.folder / path).stat().st_mtime for path in paths), default=0.0)

    def _await(self, service: Service) -> None:
        """Until it is ready, a job until it came to its end well. One that crashes may try again a few times."""
        patience_s = JOB_S if service.kind == "job" else SLACK_S + (service.probe.startup_s if service.probe else 0)
        while True:
            found = self._containers().get(service.name)
            if found is None:
                raise _failed(service, "It is gone.", f"Start it again: `freehold deploy`. Service: {service.name}.")
            state = self._state(service.name, found)
            if _is_done(found) if service.kind == "job" else state.state == "ready":
                return
            tries_again = 0 < found["RestartCount"] < _CRASHES and patience_s > 0
            if (state.state in ("failed", "stopped") and not tries_again) or patience_s <= 0:
                raise self._why(service, found, state)
            self.sleep(_LOOK_S)
            patience_s -= _LOOK_S

    def _why(self, service: Service, found: dict[str, Any], state: Running) -> FreeholdError:
        if state.reason is not None:
            return _failed(service, state.reason.cause, state.reason.fix)
        lines = [line.strip() for line in written(self.docker, found["Id"]).splitlines() if line.strip()]
        said = " / ".join(lines[-_SAID:]) or "It says nothing."
        return _failed(service, said, f"Read more: `docker logs {found['Name'].lstrip('/')}`.")

    def _state(self, name: str, container: dict[str, Any]) -> Running:
        labels = {**container["Config"]["Labels"], HOST_LABEL: name}
        named = {**container, "Config": {**container["Config"], "Labels": labels}}
        return state_of(probed(self.docker, named), partial(written, self.docker, container["Id"]))

    def _let_go(self) -> None:
        """What a backup that was killed left paused: nothing else of ours pauses, and Compose starts nothing paused."""
        if paused := [one["Id"] for one in self._containers().values() if one["State"]["Status"] == "paused"]:
            self.docker.run("unpause", *paused)

    def _remove(self, wanted: set[str]) -> None:
        """All that is not `wanted`, databases last: who writes ends before where it writes."""
        going = [one for name, one in self._containers().items() if name not in wanted]
        databases = [one["Id"] for one in going if STATEFUL_LABEL in one["Config"]["Labels"]]
        for ids in ([one["Id"] for one in going if one["Id"] not in databases], databases):
            if ids:
                self.docker.run("stop", *ids)
                self.docker.run("rm", "--force", *ids)

    def _containers(self) -> dict[str, dict[str, Any]]:
        """By service, in the order in which they were made."""
        labels = (f"label={PROJECT}={self.name}", f"label={SERVICE_LABEL}")
        filters = [word for label in labels for word in ("--filter", label)]
        listed = self.docker.run("ps", "--all", "--quiet", "--no-trunc", *filters)
        every = sorted(self.docker.inspected(listed.split()), key=lambda one: str(one["Created"]))
        return {str(one["Config"]["Labels"][SERVICE_LABEL]): one for one in every}


def needed_by(name: str, services: Sequence[Service]) -> Sequence[Service]:
    """All that runs before the service `name` starts, in the order of `services`."""
    by_name = {one.name: one for one in services}
    found, asked = set[str](), [name]
    while asked:
        more = set(by_name[asked.pop()].after) - found
        found |= more
        asked += more
    return [one for one in services if one.name in found]


def waves(services: Sequence[Service]) -> Iterator[Sequence[Service]]:
    """`services` in groups: each group's may start when those of the groups before are ready."""
    left, done = list(services), set[str]()
    while left:
        wave = [one for one in left if done.issuperset(one.after)]
        assert wave, "a release's services start after others that are there"
        yield wave
        done |= {one.name for one in wave}
        left = [one for one in left if one not in wave]


def _dify_of(deployment: Deployment) -> Installation:
    found = installation(deployment.config, deployment.digests)
    assert found is not None, "asked only where one is deployed"
    return found


def _is_done(container: Mapping[str, Any]) -> bool:
    """Whether it was a job, which came to its end well."""
    return bool(container["State"]["Status"] == "exited" and container["State"]["ExitCode"] == 0)


def _failed(service: Service, cause: str, fix: str) -> FreeholdError:
    code = "dify_job_failed" if service.kind == "job" else "dify_service_failed"
    return FreeholdError(code, service=service.name, cause=cause, fix=fix)


def _began(container: Mapping[str, Any]) -> float:
    """When it was started; seconds of the wall clock."""
    return datetime.fromisoformat(container["State"]["StartedAt"]).timestamp()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
