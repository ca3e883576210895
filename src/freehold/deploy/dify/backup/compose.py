"""A Dify of Docker Compose, its own or the official one, as its containers tell: nothing is read from files of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.backup.direct import Address
from freehold.deploy.dify.backup.place import BOUND, Database, Folder, Installed
from freehold.deploy.dify.backup.programs import Command
from freehold.errors import FreeholdError

WRITERS = ("api", "api_websocket", "worker", "worker_beat", "plugin_daemon")
"""The services that write to databases or files."""
STORAGE, PLUGINS = "/app/api/storage", "/app/storage"
SERVICE, ONE_OFF = "com.docker.compose.service", "com.docker.compose.oneoff"
_VERSION = re.compile(r":([0-9]+\.[0-9]+\.[0-9]+[^@]*)")


@dataclass(frozen=True)
class Container:
    """One container of the project."""

    id: str
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
        outside = {}
        databases = [
            _database("dify", api, containers, "DB_HOST", "DB_DATABASE", "DB_USERNAME", "dify"),
            _database("dify_plugin", daemon, containers, "DB_HOST", "DB_DATABASE", "DB_USERNAME", "dify_plugin"),
        ]
        store = api.environ.get("VECTOR_STORE", "")
        if store == "pgvector":
            names = ("PGVECTOR_HOST", "PGVECTOR_DATABASE", "PGVECTOR_USER")
            vectors = _database("vectors", api, containers, *names, "dify")
            if (vectors.service, vectors.name) != (databases[0].service, databases[0].name):
                databases.append(vectors)
        elif store:
            outside["vectors"] = store
        folders = [Folder("plugin-daemon", "plugin_daemon", PLUGINS)]
        elsewhere = [
            kind for kind in (_store_of(api), daemon.environ.get("PLUGIN_STORAGE_TYPE", "local")) if kind != "local"
        ]
        if _store_of(api) == "local":
            folders.insert(0, Folder("app-storage", "api", STORAGE))
        if elsewhere:
            outside["files"] = elsewhere[0]
        return Installed(
            version=self.version or (tag[1] if tag else "unknown"),
            databases=tuple(databases),
            folders=tuple(folders),
            environment={name: _read(path) for name, path in self.settings.items()},
            bound={name: api.environ.get(name, "") for name in BOUND},
            outside=outside,
        )

    def inside(self, service: str, words: Sequence[str]) -> Command:
        """As Place."""
        containers = self._known
        if service in _ADDRESSED:
            return _address(self._one(containers, "api").environ, _ADDRESSED[service]).command(
                words, self.docker.environ
            )
        one = self._one(containers, service)
        if service in _FOLDERS:
            here = ("--rm", "-i", "--pull", "never", "--network", "none", "--user", "0:0", "--volumes-from", one.id)
            return self._docker("run", *here, "--entrypoint", words[0], one.image, *words[1:])
        return self._docker("exec", "-i", one.id, "sh", "-c", _KNOWING_ITSELF, "sh", *words)

    def freeze(self) -> None:
        """As Place: paused, so that no task is lost; what is written half is as after a power failure."""
        self._each("pause", "running")

    def thaw(self) -> None:
        """As Place."""
        self._each("unpause", "paused")

    def stop(self) -> None:
        """As Place."""
        self.thaw()
        self._each("stop", "running", "restarting")

    def start(self) -> None:
        """As Place."""
        self._each("start", "exited", "created")

    def _each(self, verb: str, *states: str) -> None:
        """Do it to those writers that are in one of these states."""
        found = [one.id for name, one in self._containers().items() if name in WRITERS and one.status in states]
        if found:
            self.docker.run(verb, *found)

    @cached_property
    def _known(self) -> Mapping[str, Container]:
        """They stay the same while this place is looked at; what state they are in does not."""
        return self._containers()

    def _containers(self) -> Mapping[str, Container]:
        """By service."""
        listed = self.docker.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={self.label}").split()
        inspected = [one for one in self.docker.inspected(listed) if _labels(one).get(ONE_OFF, "False") != "True"]
        return {_labels(one).get(SERVICE, ""): _container(one) for one in inspected}

    def _one(self, containers: Mapping[str, Container], service: str) -> Container:
        if service not in containers:
            known = ", ".join(sorted(containers)) or "-"
            raise FreeholdError("dify_backup_absent", service=service, place=self.name, known=known)
        return containers[service]

    def _docker(self, *words: str) -> Command:
        return Command(("docker", *words), self.docker.environ)


_KNOWING_ITSELF = 'PGPASSWORD="${POSTGRES_PASSWORD:-}" exec "$@"'
"""The image of PostgreSQL trusts its own socket; where that was changed, the container knows the password itself."""
_FOLDERS = frozenset({"api", "plugin_daemon"})
_ADDRESSED: Mapping[str, tuple[str, str, str]] = {
    "your PostgreSQL": ("DB_HOST", "DB_PORT", "DB_PASSWORD"),
    "your pgvector": ("PGVECTOR_HOST", "PGVECTOR_PORT", "PGVECTOR_PASSWORD"),
}
"""Databases that are no container of the project, and the variables that say how they are reached."""


def _database(
    piece: str, one: Container, containers: Mapping[str, Container], host: str, name: str, user: str, usual: str
) -> Database:
    said = one.environ.get(host, "")
    own = "your pgvector" if host == "PGVECTOR_HOST" else "your PostgreSQL"
    service = said if said in containers else own
    return Database(piece, service, one.environ.get(name, "") or usual, one.environ.get(user, "") or "postgres")


def _address(environ: Mapping[str, str], names: tuple[str, str, str]) -> Address:
    host, port, password = (environ.get(name, "") for name in names)
    return Address(host, int(port or 5432), password, environ.get("DB_SSL_MODE") or "prefer")


def _store_of(api: Container) -> str:
    """Where files are: `local`, else the store's kind."""
    kind = api.environ.get("STORAGE_TYPE", "") or "opendal"
    if kind == "opendal":
        kind = api.environ.get("OPENDAL_SCHEME", "") or "fs"
    return "local" if kind in ("fs", "local") else kind


def _labels(inspected: Mapping[str, Any]) -> Mapping[str, str]:
    return inspected["Config"].get("Labels") or {}


def _container(inspected: Mapping[str, Any]) -> Container:
    variables = (line.partition("=") for line in inspected["Config"].get("Env") or ())
    return Container(
        id=inspected["Id"],
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
