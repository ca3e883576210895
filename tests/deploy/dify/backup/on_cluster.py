"""A Dify on the tests' API server whose pods are this machine: a stand-in for `kubectl exec` runs here what it is told.

Databases are those of a real PostgreSQL, folders of pods are folders of the test.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightkube.resources.apps_v1 import StatefulSet

from freehold.deploy.dify.backup.cluster import Kubectl, Pods
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.connection import MANAGER
from freehold.deploy.kubernetes.dify.cluster import DifyOnCluster
from freehold.deploy.kubernetes.dify.objects import dify_objects, dify_of
from freehold.deploy.kubernetes.dify.secrets import write_dify_secrets
from freehold.deploy.kubernetes.watch import states
from freehold.deploy.services.deployment import Deployment
from tests.deploy.dify.backup.world import EMPTIES, FILLED, PLUGINS_FILLED
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api.server import ApiServer
from tests.postgres import PASSWORD, Server

KUBECTL = """#!/bin/sh
echo "$*" >> {folder}/asked
while [ "$1" != -- ]; do shift; done
shift
for word; do
  case $word in
    /app/api/storage*) word={folder}/storage${{word#/app/api/storage}} ;;
    /app/storage*) word={folder}/plugins${{word#/app/storage}} ;;
  esac
  set -- "$@" "$word"
  shift
done
export PATH={programs}:$PATH PGHOST=127.0.0.1 PGPORT={port} POSTGRES_PASSWORD='{password}'
exec "$@"
"""


@dataclass
class OnCluster:
    """The one of the namespace `freehold`."""

    server: ApiServer
    api: Api
    postgres: Server
    folder: Path
    deployment: Deployment

    @property
    def place(self) -> Pods:
        """As Freehold sees it, from now on."""
        found = dify_of(self.deployment)
        assert found is not None
        environ = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        return Pods(self.api, Kubectl.find(environ, "test"), self.deployment, found, look_s=0.05)

    @property
    def target(self) -> DifyOnCluster:
        """By which it is deployed."""
        return DifyOnCluster(self.api, {}, look_s=0.05)

    def begin(self) -> None:
        """All its objects at once, and its secrets: as after `freehold deploy`."""
        dify = self.place.dify
        self.server.add(self.server.kind("Namespace"), "", NAMESPACE)
        write_dify_secrets(self.api, self.deployment, dify, {})
        for tree in dify_objects(self.deployment, dify):
            kind, name = self.server.kind(tree["kind"]), tree["metadata"]["name"]
            self.server.storage.apply(kind, NAMESPACE, name, tree, MANAGER, force=False)
        for _ in states(self.api, StatefulSet, "dify-db-postgres", 10, look_s=0.05):
            if all(one.state == "ready" for one in self.target.running()):
                return

    def fill(self) -> None:
        """Somebody's data."""
        self.postgres.sql("dify", FILLED)
        self.postgres.sql("dify_plugin", PLUGINS_FILLED)
        (self.folder / "storage/upload_files").mkdir()
        (self.folder / "storage/upload_files/mine").write_text("mine")
        (self.folder / "plugins/plugin").mkdir()

    def lose(self) -> None:
        """As a new Dify is."""
        self.postgres.sql("postgres", "".join(f"DROP DATABASE {name} WITH (FORCE);" for name in EMPTIES) + _MADE)
        (self.folder / "storage/upload_files/mine").unlink()

    def asked(self) -> list[str]:
        """What `kubectl` was told, a line each."""
        return (self.folder / "asked").read_text().splitlines()

    def copies(self) -> dict[str, tuple[int, str | None]]:
        """Of each Deployment: how many it has, and what is noted that it had."""
        found = self.server.storage.all(self.server.kind("Deployment"), NAMESPACE)
        return {
            one["metadata"]["name"]: (
                one["spec"]["replicas"],
                one["metadata"].get("annotations", {}).get("freehold/held"),
            )
            for one in found
            if one["metadata"]["name"].startswith("dify")
        }

    def files_pods(self) -> list[str]:
        """Pods that only have files."""
        return [name for name in self.server.names("Pod", NAMESPACE) if name.endswith("-files")]


@contextmanager
def deployed(
    server: ApiServer, api: Api, postgres: Server, folder: Path, deployment: Deployment
) -> Iterator[OnCluster]:
    """It runs, and nobody has used it."""
    for name in ("storage", "plugins"):
        (folder / name).mkdir(parents=True)
    text = KUBECTL.format(folder=folder, programs=postgres.programs, port=postgres.port, password=PASSWORD)
    (folder / "kubectl").write_text(text)
    (folder / "kubectl").chmod(0o755)
    made = OnCluster(server, api, postgres, folder, deployment)
    made.begin()
    postgres.sql("postgres", _MADE)
    try:
        yield made
    finally:
        postgres.sql("postgres", "".join(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);" for name in EMPTIES))


_MADE = "".join(f"CREATE DATABASE {name} TEMPLATE empty_{name};" for name in EMPTIES)
