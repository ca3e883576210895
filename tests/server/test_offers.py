"""Models that are loaded and unloaded by their name, while requests come: all of what was asked, or nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.server.models import Models, State
from freehold.server.offers import Empty, Override
from tests.server.places import Gate, Shelf, ask, during, served, until

pytestmark = pytest.mark.usefixtures("hasty")

Times = Callable[[float], Path]


def test_a_model_is_loaded_by_name_and_forgotten_when_it_is_unloaded(times: Times) -> None:
    """Two who load it at once wait for one load."""
    shelf = Shelf(m=lambda: [served("m", times(2))])
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


def test_the_old_one_answers_until_the_new_one_is_ready(times: Times) -> None:
    """A reload under traffic fails no request, and those in flight end on the engine that they began on."""
    factors = iter((2.0, 3.0))
    shelf = Shelf(m=lambda: [served("m", times(next(factors)))])
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


def test_a_corrupt_file_changes_nothing(times: Times, tmp_path: Path) -> None:
    """Who loads it is told why, index and state say that the one before answers, and in which words it failed."""
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"no graph")
    paths = iter((times(2), corrupt))
    shelf = Shelf(m=lambda: [served("m", next(paths))])
    models = Models([served("other", times(5))], repository=shelf)

    async def test() -> None:
        await models.load_model("m")
        with pytest.raises(FreeholdError) as caught:
            await models.load_model("m")
        assert caught.value.code == "model_unusable"
        assert (await ask(models, "m"), await ask(models, "other")) == (2.0, 5.0)
        row = next(row for row in models.index() if row.name == "m")
        assert row.state == "READY"
        assert str(caught.value.details["reason"]) in row.reason
        assert models.ready()

    during(models, test)


def test_an_unload_waits_for_requests_in_flight(times: Times) -> None:
    """New ones are refused at once, in words that say what to do; who unloads it too waits for the same."""
    gate = Gate(times(2))
    one = served("m", gate.path, opener=gate)
    models = Models([one, served("other", times(3))])

    async def test() -> None:
        asking = asyncio.create_task(ask(models, "m"))
        await until(lambda: one.admission.in_flight == 1)
        unloading = [asyncio.create_task(models.unload_model("m")) for _ in range(2)]
        await until(lambda: one.state is State.UNLOADING)
        with pytest.raises(FreeholdError) as caught:
            models.get("m")
        assert caught.value.code == "model_unloaded"
        await models.unload_model("other")  # which need not wait for it
        assert not any(task.done() for task in unloading)
        gate.let_answer.set()
        assert await asking == 2.0
        await asyncio.gather(*unloading)
        assert (one.state, models.ready(), gate.closed) == (State.UNLOADED, True, [True])

    during(models, test)


def test_an_unload_goes_on_when_who_asked_for_it_leaves(times: Times) -> None:
    """A client of gRPC that waits no longer cancels its call."""
    gate = Gate(times(2))
    one = served("m", gate.path, opener=gate)
    models = Models([one])

    async def test() -> None:
        asking = asyncio.create_task(ask(models, "m"))
        await until(lambda: one.admission.in_flight == 1)
        unloading = asyncio.create_task(models.unload_model("m"))
        await until(lambda: one.state is State.UNLOADING)
        unloading.cancel()
        gate.let_answer.set()
        assert await asking == 2.0
        await until(lambda: one.state is State.UNLOADED)

    during(models, test)


def test_a_load_wins_over_an_unload_that_still_waits(times: Times) -> None:
    """The request ends on the engine that it began on, and the model stays kept."""
    gate = Gate(times(2))
    versions = iter(([served("m", gate.path, opener=gate)], [served("m", times(3))]))
    shelf = Shelf(m=lambda: next(versions))
    models = Models([], repository=shelf)

    async def test() -> None:
        await models.load_model("m")
        one = models.find("m")
        asking = asyncio.create_task(ask(models, "m"))
        await until(lambda: one.admission.in_flight == 1)
        unloading = asyncio.create_task(models.unload_model("m"))
        await until(lambda: one.state is State.UNLOADING)
        await models.load_model("m")
        assert await ask(models, "m") == 3.0
        gate.let_answer.set()
        assert await asking == 2.0
        await unloading
        assert (await ask(models, "m"), shelf.kept) == (3.0, ["m"])

    during(models, test)


def test_what_is_unloaded_while_it_loads_stays_unloaded(times: Times) -> None:
    """Its engine is closed as soon as it is there; the models after it are loaded."""
    gate = Gate(times(2), opens=False)
    one, other = served("m", gate.path, opener=gate), served("other", times(3))
    models = Models([one, other])

    async def test() -> None:
        loading = asyncio.create_task(models.load(lambda _: None))
        await asyncio.to_thread(gate.asked.wait)
        await models.unload_model("m")
        gate.let_open.set()
        await loading
        assert (one.state, one.loaded, gate.closed) == (State.UNLOADED, False, [True])
        assert (other.state, models.ready()) == (State.READY, True)
        await models.close(1.0)

    asyncio.run(test())


def test_a_model_that_leaves_the_file_while_it_loads_is_gone(times: Times) -> None:
    """The start goes on with the next one."""
    gate = Gate(times(2), opens=False)
    models = Models([served("m", gate.path, opener=gate), served("other", times(3))])

    async def test() -> None:
        loading = asyncio.create_task(models.load(lambda _: None))
        await asyncio.to_thread(gate.asked.wait)
        models.follow({}, ["m"])
        await models.settled()
        gate.let_open.set()
        await loading
        assert [(row.name, row.state) for row in models.index()] == [("other", "READY")]
        assert gate.closed == [True]
        await models.close(1.0)

    asyncio.run(test())


def test_versions_are_loaded_all_or_none(times: Times, tmp_path: Path) -> None:
    """One that fails leaves what there was as it was, and says so; nothing is kept, what came with it is discarded."""
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"no graph")
    offers = iter(
        (
            [served("m", times(1), "1"), served("m", times(2), "2")],
            [served("m", times(5), "2"), served("m", corrupt, "3")],
            [served("m", times(6), "3")],
        )
    )
    shelf = Shelf(m=lambda: next(offers))
    models = Models([], repository=shelf)

    async def test() -> None:
        await models.load_model("m")
        with pytest.raises(FreeholdError) as caught:
            await models.load_model("m")
        assert caught.value.code == "model_unusable"
        assert (models.versions("m"), await ask(models, "m"), await ask(models, "m", "1")) == (["1", "2"], 2.0, 1.0)
        assert all(str(caught.value.details["reason"]) in row.reason for row in models.index())
        assert (shelf.kept, shelf.discarded) == (["m"], 1)
        await models.load_model("m")
        assert (models.versions("m"), await ask(models, "m")) == (["3"], 6.0)

    during(models, test)


def test_a_new_model_that_fails_explains_itself(times: Times, tmp_path: Path) -> None:
    """Every version of it, in the words of the answer; its next load may succeed."""
    offers = iter(([served("m", times(1), "1"), served("m", tmp_path / "absent.onnx", "2")], [served("m", times(4))]))
    shelf = Shelf(m=lambda: next(offers))
    models = Models([], repository=shelf)

    async def test() -> None:
        with pytest.raises(FreeholdError) as caught:
            await models.load_model("m")
        reason = str(caught.value.details["reason"])
        assert [(row.state, row.reason) for row in models.index()] == [("UNAVAILABLE", reason)] * 2
        assert (models.ready(), shelf.kept) == (True, [])
        await models.load_model("m")
        assert [(row.version, row.state, row.reason) for row in models.index()] == [("1", "READY", "")]

    during(models, test)


def test_what_cannot_be_kept_is_not_loaded(times: Times) -> None:
    """With the disk full the model would be gone after a restart: whoever loads it is told now."""
    shelf = Shelf(m=lambda: [served("m", times(2))])
    shelf.full = FreeholdError("kept_unwritable", path="/there", reason="no space left on device")
    models = Models([served("other", times(3))], repository=shelf)

    async def test() -> None:
        with pytest.raises(FreeholdError, match="no space left") as caught:
            await models.load_model("m")
        assert caught.value.code == "model_failed"
        assert models.find("m").loaded is False
        assert await ask(models, "other") == 3.0

    during(models, test)


def test_a_node_with_no_repository_loads_nothing() -> None:
    """Not by any name."""
    with pytest.raises(FreeholdError) as caught:
        Empty().offer("m", Override())
    assert caught.value.code == "model_not_found"
