"""A real registry for a whole module, repositories of each test's own in it, and artifacts to move."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from freehold.config import Network
from freehold.store import Store, Stored
from freehold.store.http_client import open_client
from freehold.store.registry.client import Patience, Repository
from tests.docker_registry import Relay, docker_registry, relay_to

IMPATIENT = Patience(tries=3, first_pause_s=0.01)
_numbers = itertools.count()

Open = Callable[..., Repository]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `host:port` of a registry without logins."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def relay(registry: str) -> Iterator[Relay]:
    """A relay before it."""
    with relay_to(registry) as relay:
        yield relay


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """A client that takes five seconds of silence for a cut."""
    with open_client(Network(), {}, silence_s=5.0) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name of a repository that no other test uses."""
    return f"team/m{next(_numbers)}"


@pytest.fixture
def opened(client: httpx2.Client, name: str) -> Open:
    """`opened(host, name=...)`: the test's repository there, asked with little patience."""
    return lambda host, name=name, **options: Repository(f"{host}/{name}", client, patience=IMPATIENT, **options)


@pytest.fixture
def repository(opened: Open, registry: str) -> Repository:
    """The test's repository, asked straight."""
    return opened(registry)


@pytest.fixture(scope="module")
def weights() -> bytes:
    """20 MB, so three chunks."""
    return np.random.default_rng(5).bytes(20_000_000)


@pytest.fixture
def stored(store: Store, make_artifact: Callable[..., Path], weights: bytes) -> Stored:
    """An artifact of half a megabyte in the store, with a report."""
    return with_report(store, make_artifact(weights[:500_000]))


@pytest.fixture
def large(store: Store, make_artifact: Callable[..., Path], weights: bytes) -> Stored:
    """An artifact of 20 MB in the store, with a report."""
    return with_report(store, make_artifact(weights))


def with_report(store: Store, folder: Path) -> Stored:
    stored = store.add(folder, "m")
    store.attach(stored, "application/vnd.freehold.report.v1+json", {"report.json": b'{"score": 1}'})
    return stored


@pytest.fixture
def elsewhere(tmp_path: Path) -> Store:
    """The empty store of another machine."""
    return Store(tmp_path / "elsewhere" / "store")
