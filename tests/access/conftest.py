"""The two databases that keys, budgets, usage and audit may be kept in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from freehold.access import Database, supply
from tests.postgres import PASSWORD, Server, debian, server


@dataclass(frozen=True)
class Place:
    """Where one test keeps things: a home, and for PostgreSQL the address of a schema of its own."""

    home: Path
    url: str | None

    def open(self) -> Database:
        """One more connection to it."""
        return Database.open(self.home, self.url)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that the test sets."""
    return Clock()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a database is slow, and not gone."""
    monkeypatch.setattr(supply, "PATIENCE_S", 30.0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server that the tests of this room share, each in a schema of its own."""
    with server(debian()) as running:
        yield running


@pytest.fixture(scope="session")
def schema_of(postgres: Server) -> Callable[[], str]:
    """The address of an empty schema."""
    numbers = count()

    def make() -> str:
        name = f"freehold{next(numbers)}"
        postgres.sql("postgres", f"CREATE SCHEMA {name}")
        options = quote(f"-csearch_path={name}")
        return f"postgresql://postgres:{quote(PASSWORD)}@127.0.0.1:{postgres.port}/postgres?options={options}"

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each test that asks for it runs on both."""
    url = request.getfixturevalue("schema_of")() if request.param == "postgresql" else None
    return Place(tmp_path / "home", url)


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    """An empty database."""
    made = place.open()
    yield made
    made.close()
