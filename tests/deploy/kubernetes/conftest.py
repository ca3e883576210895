"""A cluster for tests: an API server of this process over real HTTP, and ways to it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.connection import connect
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
