"""Which models are in memory: sleep, waking, room, and what a change leaves alone."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.engine.base import Engine
from freehold.engine.opening import open_engine
from freehold.errors import FreeholdError
from freehold.server.models import Models, Served, State
from tests.server.places import MB, SETTINGS, Gate, ask, during, served, until

pytestmark = pytest.mark.usefixtures("hasty")

Times = Callable[[float], Path]


def test_an_idle_model_sleeps_and_the_next_request_waits_for_it(times: Times) -> None:
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


def test_a_request_waits_no_longer_than_it_may(times: Times) -> None:
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


def test_what_was_used_least_makes_room(times: Times) -> None:
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


def test_no_room_says_who_has_it(times: Times) -> None:
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


def test_a_changed_configuration_is_followed(times: Times, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


async def begin_to_wake(models: Models, one: Served, gate: Gate) -> "asyncio.Task[float]":
    """A request for `one`, which was put to sleep, and whose graph is being opened again until `gate` lets it."""
    await until(lambda: not one.busy)
    await models.loader._sleep(one, "of this test")
    gate.asked.clear()
    gate.let_open.clear()
    waiting = asyncio.create_task(ask(models, one.id))
    await asyncio.to_thread(gate.asked.wait)
    return waiting


def test_a_node_is_ready_while_a_model_is_woken(times: Times) -> None:
    """A probe that fell on the load would take the node out; clients go on seeing the model."""
    gate = Gate(times(2), opens=True)
    gate.let_answer.set()
    one = served("m", gate.path, opener=gate)
    models = Models([one])

    async def test() -> None:
        waiting = await begin_to_wake(models, one, gate)
        assert (one.state, models.ready(), one.answers) == (State.LOADING, True, True)
        assert models.find("m").available() is one
        gate.let_open.set()
        assert await waiting == 2.0

    during(models, test)


def test_a_wake_that_fails_is_told_and_tried_again(times: Times, caplog: pytest.LogCaptureFixture) -> None:
    """Not at every request, but after a pause; meanwhile answer, index and log have the same words, and the node is
    ready: it was when the model slept."""
    path = times(2)
    content = path.read_bytes()
    one = served("m", path)
    models = Models([one])

    async def test() -> None:
        await until(lambda: not one.busy)
        await models.loader._sleep(one, "of this test")
        path.write_bytes(b"no graph")
        for _ in range(2):
            with pytest.raises(FreeholdError) as caught:
                await ask(models, "m")
            assert caught.value.code == "model_failed"
        (row,) = models.index()
        assert (row.state, row.reason) == ("UNAVAILABLE", caught.value.details["reason"])
        assert [getattr(record, "cause", "") for record in caplog.records].count(row.reason) == 1
        assert models.ready()
        path.write_bytes(content)
        one.retry_at = time.monotonic()
        assert (one.answers, models.index()[0].state) == (False, "UNAVAILABLE")  # it is not known yet
        with pytest.raises(FreeholdError):
            one.available()
        assert await ask(models, "m") == 2.0
        assert (one.state, one.error, models.index()[0].state) == (State.READY, None, "READY")

    with caplog.at_level(logging.ERROR):
        during(models, test)


def test_what_is_unloaded_while_it_is_woken_stays_unloaded(times: Times) -> None:
    """Who waited for it is told so, and its engine is closed."""
    gate = Gate(times(2))
    one = served("m", gate.path, opener=gate)
    models = Models([one])

    async def test() -> None:
        waiting = await begin_to_wake(models, one, gate)
        await models.unload_model("m")
        gate.let_open.set()
        with pytest.raises(FreeholdError) as caught:
            await waiting
        assert caught.value.code == "model_unloaded"
        assert (one.state, one.loaded, gate.closed) == (State.UNLOADED, False, [True, True])

    during(models, test)


def test_a_model_that_leaves_makes_room_once_its_requests_have_ended(times: Times) -> None:
    """The one that needs its memory waits for that."""
    gate = Gate(times(2))
    leaving, coming = served("old", gate.path, opener=gate, size=60 * MB), served("new", times(3), size=60 * MB)
    models = Models([leaving], budget=100 * MB)

    async def test() -> None:
        asking = asyncio.create_task(ask(models, "old"))
        await until(lambda: leaving.admission.in_flight == 1)
        models.follow({"new": [coming]}, ["old"])
        await asyncio.sleep(0.1)
        assert not coming.loaded
        gate.let_answer.set()
        assert await asking == 2.0
        await models.settled()
        assert await ask(models, "new") == 3.0

    during(models, test)
