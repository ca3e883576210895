"""The models of a node: their states, their proofs, and what is said of those that cannot answer."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.config import Limits
from freehold.engine.base import Engine, TensorRequest
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server.models import Models, ProofPolicy, Served, State


def served(name: str, path: Path, policy: ProofPolicy | None = None) -> Served:
    def opened() -> Engine:
        return open_graph_file(path, name, EngineSettings(tune=False))

    def admission(capacity: Any) -> Admission:
        return Admission(Limits(), capacity, MemoryBudget(1 << 20), model=name)

    return Served(name, opened, admission, policy or ProofPolicy())


def loaded(*models: Served) -> Models:
    house = Models(models)
    asyncio.run(house.load(lambda _served: None))
    return house


@pytest.fixture
def graph(model_paths: dict[str, Path], tmp_path: Path) -> Path:
    """An identity over floats, [n, 3], in a folder of its own."""
    return Path(shutil.copy(model_paths["fp32"], tmp_path / "same.onnx"))


def golden(graph: Path, expected: float, framework: str = "torch") -> None:
    x = np.ones((1, 3), np.float32)
    y = np.array([[1.0, 1.0, expected]], np.float32)
    case = Case({"x": Tensor.of(x)}, {"y": Tensor.of(y)})
    save_golden(graph.with_name("same.goldens") / "one.json", Golden(RecordedBy(framework, "1", "sha256:00"), (case,)))


def test_a_model_is_loading_until_it_is_ready(graph: Path) -> None:
    """Before its load it answers nobody, afterwards it does, and the time that took is kept."""
    one = served("same", graph)
    with pytest.raises(FreeholdError, match="model_loading"):
        one.check()
    house = loaded(one)
    assert house.ready()
    assert house.get("same").state is State.READY
    assert one.load_s > 0
    assert one.kind == "tensor"


def test_a_model_that_cannot_be_loaded_says_why_and_harms_no_other(graph: Path) -> None:
    """Cause and fix of the load come back to whoever asks for the model."""
    house = loaded(served("gone", graph.with_name("gone.onnx")), served("same", graph))
    assert house.get("same").state is State.READY
    assert not house.ready()
    with pytest.raises(FreeholdError, match="model_failed") as caught:
        house.get("gone")
    assert "gone.onnx" in caught.value.cause


def test_an_unknown_model_names_those_that_are_served(graph: Path) -> None:
    """The fix lists the ids."""
    with pytest.raises(FreeholdError, match="model_not_found") as caught:
        loaded(served("same", graph)).get("other")
    assert "same" in caught.value.fix


def test_the_only_model_of_a_kind_need_not_be_named(graph: Path) -> None:
    """With two of them a name is wanted, with none that is said."""
    one, two = served("one", graph), served("two", graph)
    assert loaded(one).only("tensor", "embed") is one
    with pytest.raises(FreeholdError, match="model_ambiguous") as caught:
        loaded(one, two).only("tensor")
    assert "one, two" in caught.value.fix
    with pytest.raises(FreeholdError, match="model_ambiguous"):
        loaded(one).only("rerank")
    with pytest.raises(FreeholdError, match="model_loading"):
        Models([served("same", graph)]).only("tensor")


def test_a_failed_proof_keeps_a_model_unready(graph: Path) -> None:
    """It is loaded, shows `failed`, and says where it parts from what was recorded."""
    golden(graph, expected=2.0)
    one = served("same", graph)
    house = loaded(one)
    assert (one.state, one.proof, house.ready()) == (State.UNPROVEN, "failed", False)
    with pytest.raises(FreeholdError, match="proof_failed") as caught:
        house.get("same")
    assert (caught.value.details["index"], caught.value.details["seen"]) == ([0, 2], "1.0")


def test_an_accepted_failure_is_served_for_a_day(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows `failed` all the while, and is refused again when the day is over."""
    golden(graph, expected=2.0)
    one = served("same", graph, ProofPolicy(accepted="the vendor's list is wrong"))
    house = loaded(one)
    assert house.get("same").proof == "failed"
    monkeypatch.setattr("freehold.server.models.time.time", lambda: one.accepted_until + 1)
    with pytest.raises(FreeholdError, match="proof_failed"):
        house.get("same")
    assert one.state is State.UNPROVEN


@pytest.mark.parametrize(
    ("framework", "state"), [("torch", State.READY), ("freehold", State.UNPROVEN), (None, State.UNPROVEN)]
)
def test_production_can_demand_a_raw_proof(graph: Path, framework: str | None, state: State) -> None:
    """Goldens of our own and none at all are not enough."""
    if framework is not None:
        golden(graph, expected=1.0, framework=framework)
    one = served("same", graph, ProofPolicy(require_raw=True))
    loaded(one)
    assert one.state is state
    if state is State.UNPROVEN:
        assert one.error is not None
        assert one.error.code == "proof_required"


def test_a_draining_node_is_not_ready_and_still_answers(graph: Path) -> None:
    """Probes take it out while what was accepted is finished."""
    house = loaded(served("same", graph))
    house.drain()
    assert not house.ready()
    assert house.get("same").state is State.READY


def test_a_closed_model_says_that_it_is_going(graph: Path) -> None:
    """Neither a traceback nor silence."""
    one = served("same", graph)

    async def scenario() -> None:
        await one.load()
        await one.close(1.0)
        with pytest.raises(FreeholdError, match="shutting_down"):
            one.check()
        with pytest.raises(FreeholdError, match="shutting_down"):
            await one.engine.infer(TensorRequest({"x": np.ones((1, 3), np.float32)}), 1e12)

    asyncio.run(scenario())
