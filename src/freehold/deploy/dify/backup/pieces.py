"""What a Dify's own variables say of its data: databases, folders, and what lies where no backup of ours reaches."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from freehold.deploy.dify.backup.direct import Address
from freehold.deploy.dify.backup.place import BOUND, Database, Folder, Installed

WRITERS = ("api", "api_websocket", "worker", "worker_beat", "plugin_daemon")
"""The services that write to databases or files."""
HOLDERS = ("api", "plugin_daemon")
"""Those beside whose files programs run."""
STORAGE, PLUGINS = "/app/api/storage", "/app/storage"
_ADDRESSED: Mapping[str, tuple[str, str, str]] = {
    "your PostgreSQL": ("DB_HOST", "DB_PORT", "DB_PASSWORD"),
    "your pgvector": ("PGVECTOR_HOST", "PGVECTOR_PORT", "PGVECTOR_PASSWORD"),
}
"""Databases that are no service of the installation, and the variables that say how they are reached."""


@dataclass(frozen=True)
class Variables:
    """Those of the two services that know. `hosts`: by its name in them, a service of the installation."""

    api: Mapping[str, str] = field(repr=False)
    daemon: Mapping[str, str] = field(repr=False)
    hosts: Mapping[str, str]

    def installed(self, version: str, environment: Mapping[str, bytes]) -> Installed:
        """All that there is to save."""
        outside = {}
        databases = [
            self._database("dify", self.api, "DB_HOST", "DB_DATABASE", "DB_USERNAME", "dify"),
            self._database("dify_plugin", self.daemon, "DB_HOST", "DB_DATABASE", "DB_USERNAME", "dify_plugin"),
        ]
        store = self.api.get("VECTOR_STORE", "")
        if store == "pgvector":
            names = ("PGVECTOR_HOST", "PGVECTOR_DATABASE", "PGVECTOR_USER")
            vectors = self._database("vectors", self.api, *names, "dify")
            if (vectors.service, vectors.name) != (databases[0].service, databases[0].name):
                databases.append(vectors)
        elif store:
            outside["vectors"] = store
        folders = [Folder("plugin-daemon", "plugin_daemon", PLUGINS)]
        stores = [kind for kind in (self._store(), self.daemon.get("PLUGIN_STORAGE_TYPE", "local")) if kind != "local"]
        if self._store() == "local":
            folders.insert(0, Folder("app-storage", "api", STORAGE))
        if stores:
            outside["files"] = stores[0]
        return Installed(
            version=version,
            databases=tuple(databases),
            folders=tuple(folders),
            environment=environment,
            bound={name: self.api.get(name, "") for name in BOUND},
            outside=outside,
        )

    def address(self, service: str, authorities: str = "") -> Address | None:
        """How this machine reaches a database that is no service of the installation; None for one that is.

        `authorities`: a file of the CAs that its certificate may be of; "" for those of this machine.
        """
        if service not in _ADDRESSED:
            return None
        host, port, password = (self.api.get(name, "") for name in _ADDRESSED[service])
        tls = self.api.get("DB_SSL_MODE") or self.daemon.get("DB_SSL_MODE") or "prefer"
        if tls.startswith("verify"):  # for which libpq alone looks in the user's own folder
            authorities = authorities or ssl.get_default_verify_paths().cafile or ""
        return Address(host, int(port or 5432), password, tls, authorities)

    def _database(self, piece: str, of: Mapping[str, str], host: str, name: str, user: str, usual: str) -> Database:
        own = "your pgvector" if host == "PGVECTOR_HOST" else "your PostgreSQL"
        service = self.hosts.get(of.get(host, ""), own)
        return Database(piece, service, of.get(name, "") or usual, of.get(user, "") or "postgres")

    def _store(self) -> str:
        """Where files are: `local`, else the store's kind."""
        kind = self.api.get("STORAGE_TYPE", "") or "opendal"
        if kind == "opendal":
            kind = self.api.get("OPENDAL_SCHEME", "") or "fs"
        return "local" if kind in ("fs", "local") else kind
