"""A Dify of Docker Compose, its own or the official one, as its containers tell: nothing is read from files of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.project import ONE_OFF, SERVICE
from freehold.deploy.dify.backup.databases import KNOWING_ITSELF
from freehold.deploy.dify.backup.pieces import HOLDERS, WRITERS, Variables
from freehold.deploy.dify.backup.place import Installed
from freehold.deploy.dify.backup.programs import Command
from freehold.errors import FreeholdError

_JOB = "migration"
_VERSION = re.compile(r":([0-9]+\.[0-9]+\.[0-9]+[^@]*)")


@dataclass(frozen=True)
class Container:
    """One container of the project."""

    id: str
    service: str
    is_passing: bool
    """Made for one command: `docker compose run`."""
    image: str
    """The id of its image."""
    tag: str
    status: str
    environ: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Containers:
    """The project whose containers have the label `label`.

    Programs run inside the database's container, so that versions agree and no password is needed; beside files in a
    container of their service's own image, without a network, which sees the same volumes. `settings` are files of the
    installation by the name that they get in a backup; `version` is said where an image's tag does not say it.
    """

    docker: Docker
    label: str
    settings: Mapping[str, Path]
    version: str = ""

    @property
    def name(self) -> str:
        """As Place."""
        return f"Docker Compose ({self.label.partition('=')[2]})"

    def found(self) -> Installed:
        """As Place. Raises `dify_backup_absent`, `dify_backup_unreadable`."""
        containers = self._containers()
        api, daemon = self._one(containers, "api"), self._one(containers, "plugin_daemon")
        tag = _VERSION.search(api.tag)
        return _variables(containers, api, daemon).installed(
            self.version or (tag[1] if tag else "unknown"), {name: _read(path) for name, path in self.settings.items()}
        )

    def inside(self, service: str, words: Sequence[str]) -> Command:
        """As Place."""
        containers = self._known
        api, daemon = self._one(containers, "api"), self._one(containers, "plugin_daemon")
        if (address := _variables(containers, api, daemon).address(service)) is not None:
            return address.command(words, self.docker.environ)
        one = self._one(containers, service)
        if service in HOLDERS:
            here = ("--rm", "-i", "--pull", "never", "--network", "none", "--user", "0:0", "--volumes-from", one.id)
            return self._docker("run", *here, "--entrypoint", words[0], one.image, *words[1:])
        return self._docker("exec", "-i", one.id, "sh", "-c", KNOWING_ITSELF, "sh", *words)

    def freeze(self) -> None:
        """As Place: paused, so that no task is lost; what is written half is as after a power failure."""
        self._each("pause", self._writers("running"))

    def thaw(self) -> None:
        """As Place."""
        self._each("unpause", self._writers("paused"))

    def stop(self) -> None:
        """As Place: also a migration, and a command in a container of its own, that a killed upgrade left."""
        self.thaw()
        writers = [one for one in self._every() if one.service in (*WRITERS, _JOB)]
        self._each("stop", [one for one in writers if one.status in ("running", "restarting")])

    def start(self) -> None:
        """As Place."""
        self._each("start", self._writers("exited", "created"))

    def _writers(self, *states: str) -> list[Container]:
        """Those in one of these states; a service may have several."""
        every = [one for one in self._every() if one.service in WRITERS and not one.is_passing]
        return [one for one in every if one.status in states]

    def _each(self, verb: str, containers: Sequence[Container]) -> None:
        if containers:
            self.docker.run(verb, *(one.id for one in containers))

    @cached_property
    def _known(self) -> Mapping[str, Container]:
        """They stay the same while this place is looked at; what state they are in does not."""
        return self._containers()

    def _containers(self) -> Mapping[str, Container]:
        """By service."""
        return {one.service: one for one in self._every() if not one.is_passing}

    def _every(self) -> Sequence[Container]:
        listed = self.docker.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={self.label}").split()
        return [_container(one) for one in self.docker.inspected(listed)]

    def _one(self, containers: Mapping[str, Container], service: str) -> Container:
        if service not in containers:
            known = ", ".join(sorted(containers)) or "-"
            raise FreeholdError("dify_backup_absent", service=service, place=self.name, known=known)
        return containers[service]

    def _docker(self, *words: str) -> Command:
        return Command(("docker", *words), self.docker.environ)


def _variables(containers: Mapping[str, Container], api: Container, daemon: Container) -> Variables:
    return Variables(api.environ, daemon.environ, {name: name for name in containers})


def _container(inspected: Mapping[str, Any]) -> Container:
    labels = inspected["Config"].get("Labels") or {}
    variables = (line.partition("=") for line in inspected["Config"].get("Env") or ())
    return Container(
        id=inspected["Id"],
        service=labels.get(SERVICE, ""),
        is_passing=labels.get(ONE_OFF) == "True",
        image=inspected["Image"],
        tag=inspected["Config"]["Image"],
        status=inspected["State"]["Status"],
        environ={name: value for name, _, value in variables},
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreeholdError("dify_backup_unreadable", path=path, reason=error.strerror or str(error)) from None
