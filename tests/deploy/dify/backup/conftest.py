"""Servers of a session, and a Dify for each test that asks."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.deploy.dify.backup.world import EMPTIES, World
from tests.postgres import Server, debian, server, with_pgvector

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Debian's PostgreSQL, with databases as Dify's migrations leave them: `empty_dify`, `empty_dify_plugin`."""
    with server(debian()) as made:
        for piece, text in EMPTIES.items():
            made.sql("postgres", f"CREATE DATABASE empty_{piece}")
            made.sql(f"empty_{piece}", text)
        yield made


@pytest.fixture(scope="session")
def pgvector() -> Iterator[Server]:
    """PostgreSQL with pgvector."""
    with server(with_pgvector()) as made:
        yield made


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Each once."""
    return count()


@pytest.fixture
def make_world(postgres: Server, numbers: Iterator[int], tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes a Dify that nobody has used; all are gone afterwards."""
    made: list[World] = []

    def make(**said: object) -> World:
        number = next(numbers)
        made.append(World(postgres, number, tmp_path / f"dify{number}", **said))
        return made[-1].make()

    yield make
    for world in made:
        world.remove()


@pytest.fixture(scope="session")
def untouched(postgres: Server, numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One with somebody's data, for tests that change nothing of it."""
    made = World(postgres, next(numbers), tmp_path_factory.mktemp("untouched") / "dify").make().fill()
    yield made
    made.remove()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One with somebody's data."""
    return make_world().fill()
