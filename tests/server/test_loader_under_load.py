"""More models than fit into memory, asked, loaded again, unloaded and put to sleep at the same time."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from freehold.engine.base import Engine
from freehold.engine.opening import open_engine
from freehold.errors import FreeholdError
from freehold.server import loader as loader_module
from freehold.server import served as served_module
from freehold.server.models import Models, Served, State
from tests.server.places import MB, SETTINGS, Shelf, ask, during, served

pytestmark = pytest.mark.usefixtures("hasty")

BUDGET = 100 * MB
SIZE = 30 * MB
NAMES = ("a", "b", "c", "d", "e")
COMES_AND_GOES = "late"


@pytest.mark.parametrize(
    ("requests", "changes"),
    [(60, 3), pytest.param(6_000, 300, marks=pytest.mark.soak)],
)
def test_no_request_fails_and_no_engine_is_left(
    times: Callable[[float], Path], monkeypatch: pytest.MonkeyPatch, requests: int, changes: int
) -> None:
    """Every answer is that of the model that was asked; memory stays within its bound, and at the end every engine that
    was opened is closed. Only the model that comes and goes may be refused, and only for that."""
    monkeypatch.setattr(served_module, "reclaim", lambda: None)  # walks all that the tests have made
    monkeypatch.setattr(loader_module, "reclaim", lambda: None)
    monkeypatch.setattr(loader_module, "LOOK_S", 0.01)
    random.seed(8)
    opened: list[Engine] = []
    paths = {name: times(number) for number, name in enumerate((*NAMES, COMES_AND_GOES), 2)}
    right = {name: float(number) for number, name in enumerate((*NAMES, COMES_AND_GOES), 2)}

    def make(name: str) -> Served:
        def opener() -> Engine:
            opened.append(open_engine(paths[name], name, SETTINGS))
            return opened[-1]

        return served(name, paths[name], opener=opener, size=SIZE, keep_alive_s=0.05, wait_s=30.0)

    def offer(name: str) -> list[Served]:
        return [make(name)]

    shelf = Shelf(**{name: partial(offer, name) for name in paths})
    models = Models([make(name) for name in NAMES], repository=shelf, budget=BUDGET)
    left, most = requests, 0
    refused: set[tuple[str, str]] = set()

    async def asking() -> None:
        nonlocal left, most
        while left > 0:
            left -= 1
            name = random.choice(tuple(paths))
            try:
                assert await ask(models, name) == right[name]
            except FreeholdError as error:
                refused.add((name, error.code))
            most = max(most, sum(one.bytes for one in models.all() if one.state is State.READY))
            await asyncio.sleep(random.random() * 0.02)

    async def changing() -> None:
        for _ in range(changes):
            await models.load_model(COMES_AND_GOES)
            await models.load_model(random.choice(NAMES))
            await models.unload_model(COMES_AND_GOES)

    async def test() -> None:
        await asyncio.gather(changing(), *(asking() for _ in range(8)))
        await asyncio.sleep(0.1)
        assert most <= BUDGET
        assert {name for name, _ in refused} <= {COMES_AND_GOES}, refused
        assert {code for _, code in refused} <= {"model_not_found", "model_unloaded", "model_loading"}
        assert {one.id for one in models.all()} == set(NAMES)

    during(models, test, within_s=3600)
    assert not any(engine.ready() for engine in opened)
