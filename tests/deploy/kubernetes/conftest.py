"""A cluster for tests: an API server of this process over real HTTP, and ways to it."""

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.connection import connect
from freehold.deploy.target import Running, Target
from tests.kubernetes_api import refusals
from tests.kubernetes_api.refusals import RefusalError
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.server import ApiServer

NAMESPACE = "freehold"


def kubeconfig(folder: Path, url: str, token: str = "", ca: Path | None = None) -> Path:
    """A file with one context, `test`."""
    cluster = {"server": url} | ({"certificate-authority": str(ca)} if ca else {})
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": token} if token else {}}],
    }
    file = folder / "kubeconfig.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


@contextmanager
def reached(server: ApiServer, folder: Path, namespace: str = NAMESPACE) -> Iterator[Api]:
    """That server's namespace; nothing waits between two tries."""
    with closing(connect(namespace, {}, kubeconfig(folder, server.url, server.token))) as connection:
        yield Api(connection, namespace, sleep=lambda _: None)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """A cluster with nothing in it."""
    with ApiServer().running() as running:
        yield running


@pytest.fixture
def api(server: ApiServer, tmp_path: Path) -> Iterator[Api]:
    """Its namespace `freehold`, which is not there yet."""
    with reached(server, tmp_path) as found:
        yield found


@pytest.fixture
def cluster(api: Api) -> Cluster:
    """The deployment `freehold`."""
    return Cluster(api, "freehold", {})


def settled(server: ApiServer, cluster: Target, state: str, code: str | None = None, host: str = "") -> list[Running]:
    """What runs, once all of it, or of `host`, is so."""
    for _ in range(200):
        found = [one for one in cluster.running() if host in ("", one.host)]
        if found and all(one.state == state and (one.reason and one.reason.code) == code for one in found):
            return found
        with server.storage.changed:
            server.storage.changed.wait(0.02)
    raise AssertionError(found)


def forbidden(request: Request) -> RefusalError:
    """By RBAC."""
    return refusals.forbidden(request.resource, request.verb, "ci", request.namespace, request.name, request.sub)


def add_secret(server: ApiServer, namespace: str, name: str) -> None:
    """One that somebody made by hand."""
    if server.object("Namespace", namespace) is None:
        server.add(server.kind("Namespace"), "", namespace)
    server.add(server.kind("Secret"), namespace, name, data={"value": base64.b64encode(b"x").decode()})
