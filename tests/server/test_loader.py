"""Which models are in memory: sleep, waking, room, loads at run time, and what a change leaves alone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.config import Limits
from freehold.engine.base import Answer, Engine, Request, TensorRequest
from freehold.engine.opening import open_engine
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server import served as served_module
from freehold.server.models import Models, Offer, Override, Served, State
from freehold.server.served import Terms

SETTINGS = EngineSettings(tune=False, threads=1)
MB = 1 << 20


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for just now counts as busy for a moment only."""
    monkeypatch.setattr(served_module, "LINGER_S", 0.02)


@pytest.fixture
def times(tmp_path: Path) -> Callable[[float], Path]:
    """Writes graphs [n, 1] -> so many times that."""

    def write(factor: float) -> Path:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy")
        node = helper.make_node("Mul", ["x", "factor"], ["y"])
        constant = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
        graph = helper.make_graph([node], "times", [x], [y], [constant])
        path = tmp_path / f"times{factor:g}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return write


def served(
    name: str, path: Path, version: str = "1", opener: Callable[[], Engine] | None = None, **terms: Any
) -> Served:
    size = terms.pop("size", 0)

    def admit(engine: Engine) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(MB), model=name)

    opened = opener or (lambda: open_engine(path, name, SETTINGS))
    return Served(name, opened, admit, version=version, terms=Terms(size=lambda: size, **terms))


async def ask(models: Models, name: str, version: str = "") -> float:
    one = await models.wake(name, version)
    with one.admission.admit(0) as permit:
        answer = await one.engine.infer(TensorRequest({"x": np.ones((1, 1), np.float32)}), permit.deadline)
    return float(answer.outputs["y"][0, 0])


def during(models: Models, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs `test` with all models loaded, and idle ones put to sleep meanwhile."""

    async def body() -> None:
        await models.load(lambda _: None)
        resting = asyncio.create_task(models.loader.rest())
        try:
            async with asyncio.timeout(30):
                await test()
        finally:
            resting.cancel()
            await models.close(1.0)

    asyncio.run(body())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - states set no event
        await asyncio.sleep(0.005)


class Shelf:
    """Models that can be loaded by name, and what was to be kept of them."""

    def __init__(self, **versions: Callable[[], Served]) -> None:
        self.versions = versions
        self.offered = 0
        self.kept: list[str] = []

    def offer(self, model: str, override: Override) -> Offer:
        self.offered += 1
        if model not in self.versions:
            raise FreeholdError("model_not_found", model=model, served="-")
        one = self.versions[model]()
        one.origin, one.vital = "runtime", False
        return Offer([one], lambda: self.kept.append(model))

    def forget(self, model: str) -> None:
        self.kept.remove(model)


class Slow(TensorEngine):
    """Holds its requests until they are let go."""

    let_go: asyncio.Event

    async def infer(self, request: Request, deadline: float) -> Answer:
        await self.let_go.wait()
        return await super().infer(request, deadline)


def test_an_idle_model_sleeps_and_the_next_request_waits_for_it(times: Callable[[float], Path]) -> None:
    """Its memory is gone, what it is stays known, the node stays ready; all who ask wait for one load."""
    opened: list[int] = []
    path = times(2)

    def opener() -> Engine:
        opened.append(1)
        return open_engine(path, "m", SETTINGS)

    one = served("m", path, opener=opener, keep_alive_s=0.05)
    models = Models([one])

    async def test() -> None:
        await until(lambda: one.state is State.ASLEEP)
        assert (one.loaded, one.kind, models.ready()) == (False, "tensor", True)
        assert one.available() is one
        (row,) = models.index()
        assert (row.state, row.reason) == ("READY", one.error.cause if one.error else "")
        with pytest.raises(FreeholdError) as caught:
            models.get("m")
        assert caught.value.code == "model_asleep"
        assert await asyncio.gather(*(ask(models, "m") for _ in range(20))) == [2.0] * 20
        assert len(opened) == 2

    during(models, test)


def test_a_request_waits_no_longer_than_it_may(times: Callable[[float], Path]) -> None:
    """Then it is told so; the load goes on for those who come later."""
    path = times(2)
    one = served("m", path, wait_s=0.05)
    models = Models([one])

    async def test() -> None:
        await models.loader._sleep(one, "of this test")
        await until(lambda: one.state is State.ASLEEP or not one.busy)
        await models.loader._sleep(one, "of this test")
        async with models.loader._turn:  # somebody else is being loaded
            with pytest.raises(FreeholdError) as caught:
                await models.wake("m")
            assert caught.value.code == "load_too_slow"
        assert await ask(models, "m") == 2.0

    during(models, test)


def test_what_was_used_least_makes_room(times: Callable[[float], Path]) -> None:
    """Pinned and busy models stay; who waited for room gets it."""
    a, b, c = (served(name, times(2), size=40 * MB) for name in "abc")
    pinned = served("p", times(3), size=20 * MB, pinned=True)
    models = Models([pinned, a, b, c], budget=100 * MB)

    async def test() -> None:
        assert [one.state for one in (pinned, a, b, c)] == [State.READY, State.ASLEEP, State.READY, State.READY]
        await ask(models, "b")
        await ask(models, "a")
        assert [one.state for one in (pinned, a, b, c)] == [State.READY, State.READY, State.READY, State.ASLEEP]
        with a.admission.admit(0), b.admission.admit(0):
            waiting = asyncio.create_task(ask(models, "c"))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert await waiting == 2.0

    during(models, test)


def test_no_room_says_who_has_it(times: Callable[[float], Path]) -> None:
    """A model larger than what pinned ones leave fails alone, in the words of index and request."""
    pinned, large = served("p", times(3), size=60 * MB, pinned=True), served("l", times(2), size=60 * MB, wait_s=0.05)
    models = Models([pinned, large], budget=100 * MB)

    async def test() -> None:
        assert large.error is not None
        assert (large.state, large.error.code) == (State.FAILED, "models_memory_full")
        with pytest.raises(FreeholdError) as caught:
            await ask(models, "l")
        assert large.error.cause in caught.value.cause
        assert models.index()[1].reason == large.error.cause
        assert await ask(models, "p") == 3.0

    during(models, test)


def test_versions_are_served_side_by_side(times: Callable[[float], Path], tmp_path: Path) -> None:
    """The highest that answers is meant where none is named: by number, not by letters."""
    models = Models([served("m", times(n), str(n)) for n in (10, 9)] + [served("m", tmp_path / "absent.onnx", "11")])

    async def test() -> None:
        assert models.versions("m") == ["9", "10", "11"]
        assert [await ask(models, "m", version) for version in ("9", "10", "")] == [9.0, 10.0, 10.0]
        with pytest.raises(FreeholdError) as caught:
            models.get("m", "3")
        assert (caught.value.code, caught.value.details["versions"]) == ("version_unknown", ["9", "10", "11"])
        assert [row.state for row in models.index()] == ["READY", "READY", "UNAVAILABLE"]
        assert models.ready()

    during(models, test)


def test_a_model_is_loaded_by_name_and_forgotten_when_it_is_unloaded(times: Callable[[float], Path]) -> None:
    """Two who load it at once wait for one load."""
    shelf = Shelf(m=lambda: served("m", times(2)))
    models = Models([], repository=shelf)
    changes: list[int] = []
    models.on_change = lambda: changes.append(1)

    async def test() -> None:
        await asyncio.gather(models.load_model("m"), models.load_model("m"))
        assert (shelf.offered, shelf.kept, len(changes)) == (1, ["m"], 1)
        assert await ask(models, "m") == 2.0
        assert models.find("m").origin == "runtime"
        await models.unload_model("m")
        assert (shelf.kept, models.all(), len(changes)) == ([], [], 2)
        for act in (models.load_model, models.unload_model):
            with pytest.raises(FreeholdError) as caught:
                await act("nobody")
            assert caught.value.code == "model_not_found"

    during(models, test)


def test_the_old_one_answers_until_the_new_one_is_ready(times: Callable[[float], Path]) -> None:
    """A reload under traffic fails no request, and those in flight end on the engine that they began on."""
    factors = iter((2.0, 3.0))
    shelf = Shelf(m=lambda: served("m", times(next(factors))))
    models = Models([], repository=shelf)

    async def test() -> None:
        await models.load_model("m")
        seen: list[float] = []
        stop = asyncio.Event()

        async def traffic() -> None:
            while not stop.is_set():
                seen.append(await ask(models, "m"))

        asking = [asyncio.create_task(traffic()) for _ in range(4)]
        await until(lambda: len(seen) > 20)
        await models.load_model("m")
        await until(lambda: seen[-1] == 3.0)
        stop.set()
        await asyncio.gather(*asking)
        assert set(seen) == {2.0, 3.0}
        assert seen == sorted(seen)

    during(models, test)


def test_a_corrupt_file_changes_nothing(times: Callable[[float], Path], tmp_path: Path) -> None:
    """Who loads it is told why, index and state say that the one before answers, and in which words it failed."""
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"no graph")
    paths = iter((times(2), corrupt))
    shelf = Shelf(m=lambda: served("m", next(paths)))
    models = Models([served("other", times(5))], repository=shelf)

    async def test() -> None:
        await models.load_model("m")
        with pytest.raises(FreeholdError) as caught:
            await models.load_model("m")
        assert caught.value.code == "model_failed"
        assert (await ask(models, "m"), await ask(models, "other")) == (2.0, 5.0)
        row = next(row for row in models.index() if row.name == "m")
        assert row.state == "READY"
        assert str(caught.value.details["reason"]) in row.reason
        assert models.ready()

    during(models, test)


def test_an_unload_waits_for_requests_in_flight(times: Callable[[float], Path]) -> None:
    """New ones are refused at once, in words that say what to do."""
    engines: list[Slow] = []
    path = times(2)

    def opener() -> Engine:
        engine = open_engine(path, "m", SETTINGS)
        engine.__class__ = Slow
        assert isinstance(engine, Slow)
        engine.let_go = asyncio.Event()
        engines.append(engine)
        return engine

    one = served("m", path, opener=opener)
    models = Models([one])

    async def test() -> None:
        asking = asyncio.create_task(ask(models, "m"))
        await until(lambda: one.admission.in_flight == 1)
        unloading = asyncio.create_task(models.unload_model("m"))
        await until(lambda: one.state is State.UNLOADING)
        with pytest.raises(FreeholdError) as caught:
            models.get("m")
        assert caught.value.code == "model_unloaded"
        assert not unloading.done()
        engines[0].let_go.set()
        assert await asking == 2.0
        await unloading
        assert (one.state, models.ready()) == (State.UNLOADED, True)

    during(models, test)


def test_a_changed_configuration_is_followed(
    times: Callable[[float], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Models come, change and go; one that cannot be loaded says so in index and log, and the node stays ready."""
    models = Models([served("kept", times(2)), served("changed", times(3)), served("gone", times(4))])
    broken = served("broken", tmp_path / "absent.onnx")
    broken.vital = False

    async def test() -> None:
        offers = {"changed": [served("changed", times(5))], "new": [served("new", times(6))], "broken": [broken]}
        models.follow(offers, ["gone"])
        assert models.changing
        await models.settled()
        assert [await ask(models, name) for name in ("kept", "changed", "new")] == [2.0, 5.0, 6.0]
        with pytest.raises(FreeholdError) as caught:
            models.find("gone")
        assert caught.value.code == "model_not_found"
        (row,) = [row for row in models.index() if row.state == "UNAVAILABLE"]
        assert (row.name, broken.error is not None and row.reason == broken.error.cause) == ("broken", True)
        assert row.reason in [getattr(record, "cause", "") for record in caplog.records]
        assert models.ready()

    with caplog.at_level(logging.ERROR):
        during(models, test)
