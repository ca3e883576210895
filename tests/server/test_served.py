"""A place of a model, and the engines that come and go behind it."""

import asyncio
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.errors import FreeholdError
from freehold.server import served as module
from freehold.server.served import ProofPolicy, Served, State, asleep, reclaim
from tests.server.conftest import served, write_identity


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A model that is not loaded yet."""
    monkeypatch.setattr(module, "LINGER_S", 0.01)
    return served("m", write_identity(tmp_path / "m.onnx", "FP32"))


def test_what_slept_is_known_and_its_engine_is_gone(one: Served) -> None:
    """Nothing holds the engine any more; manifest, digest and proof stay."""

    async def body() -> None:
        await one.load()
        engine = weakref.ref(one.engine)
        why = FreeholdError("model_asleep", model="m", version="1", why="of a test")
        await one.unload(State.ASLEEP, why, 1.0)
        assert engine() is None
        assert (one.loaded, one.sleeps, one.kind, one.proof) == (False, True, "tensor", "none")
        assert one.manifest.inputs[0].name == "x"
        assert one.available() is one
        with pytest.raises(FreeholdError) as caught:
            one.asked()
        assert caught.value.code == "model_asleep"
        await one.load()
        assert one.asked() is one
        await one.close(1.0)

    asyncio.run(body())


def test_an_accepted_failure_ends_after_its_day_however_often_the_model_slept(one: Served, tmp_path: Path) -> None:
    """A wake must not begin the day again."""
    one.policy = ProofPolicy(accepted="of this test")
    x = np.ones((1, 3), np.float32)
    golden = Golden(RecordedBy("pytorch", "2.13", "sha256:0"), (Case({"x": Tensor.of(x)}, {"y": Tensor.of(3 * x)}),))
    save_golden(tmp_path / "m.goldens" / "one.json", golden)

    async def body() -> None:
        await one.load()
        assert (one.state, one.proof) == (State.READY, "failed")
        one.accepted_until -= 3600
        until = one.accepted_until
        await one.unload(State.ASLEEP, asleep(one, "of this test"), 1.0)
        await one.load()
        assert (one.state, one.accepted_until) == (State.READY, until)
        await one.close(1.0)

    asyncio.run(body())


def test_a_place_takes_over_what_was_loaded_beside_it(one: Served, tmp_path: Path) -> None:
    """Whoever holds the place meets the new engine; the old one is handed over for its end."""

    async def body() -> None:
        await one.load()
        before, created = one.engine, one.created
        coming = served("m", write_identity(tmp_path / "n.onnx", "INT64"))
        coming.created, coming.vital = 0, False
        await coming.load()
        assert one.take_over(coming) is before
        assert one.manifest.inputs[0].datatype == "INT64"
        assert (one.created, one.vital) == (created, True)
        await coming.unload(State.ASLEEP, asleep(coming, "it was found idle just before"), 0.0)
        assert one.asked().engine.ready()
        await before.close(1.0)
        await one.close(1.0)

    asyncio.run(body())


def test_what_was_frozen_is_collected_and_frozen_again() -> None:
    """A node freezes what it loaded; an engine that lies in a cycle would else stay for ever."""

    class Cycle:
        def __init__(self) -> None:
            self.me = self

    cycle = Cycle()
    gone = weakref.ref(cycle)
    gc.freeze()
    try:
        del cycle
        gc.collect()
        assert gone() is not None
        reclaim()
        assert gone() is None
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
