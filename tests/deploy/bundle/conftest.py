"""A real registry for a module, and a site of each test's own beside it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from freehold.config import Network
from freehold.store.http_client import open_client
from tests.docker_registry import docker_registry

from .made import Site, stored


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `host:port` of a registry where images come from."""
    with docker_registry(tmp_path_factory.mktemp("origin")) as host:
        yield host


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `host:port` of the registry of a closed network."""
    with docker_registry(tmp_path_factory.mktemp("closed")) as host:
        yield host


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """For both."""
    with open_client(Network(), {}, silence_s=5.0) as client:
        yield client


@pytest.fixture
def site(registry: str, client: httpx2.Client, tmp_path: Path) -> Site:
    """A machine with a network."""
    return Site(registry, client, tmp_path, stored(tmp_path))
