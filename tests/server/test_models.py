"""What state a model is in, whether it may answer, and what a client is told when it may not."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.config import Limits
from freehold.engine.base import Engine, TensorRequest
from freehold.engine.opening import open_engine
from freehold.engine.pool import WorkerPool
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server import served as module
from freehold.server.models import Models, ProofPolicy, Served, State

SETTINGS = EngineSettings(tune=False, threads=1)
STRICT = ProofPolicy(require_raw=True)


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
    """A graph [n, 3] -> twice that."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubled", [x], [y])
    path = tmp_path / "doubled.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def golden(graph: Path, framework: str, factor: float = 2.0) -> None:
    """One recorded case beside `graph`; with another factor than 2 it does not hold."""
    x = np.ones((1, 3), np.float32)
    case = Case({"x": Tensor.of(x)}, {"y": Tensor.of(x * np.float32(factor))})
    folder = graph.with_name(f"{graph.stem}.goldens")
    save_golden(folder / "one.json", Golden(RecordedBy(framework, "2.13", "sha256:0"), (case,)))


def served(path: Path, name: str = "m", policy: ProofPolicy = ProofPolicy(), opener: Any = None) -> Served:  # noqa: B008 - frozen
    def admit(engine: Any) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(1 << 20), model=name)

    return Served(name, opener or (lambda: open_engine(path, name, SETTINGS)), admit, policy)


def loaded(*models: Served) -> Models:
    """Loaded, then closed again: states stay as they were but for the engines."""
    all_of_them = Models(models)
    asyncio.run(all_of_them.load(lambda _: None))
    return all_of_them


def refusal(ask: Callable[[], object]) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        ask()
    return caught.value


def test_a_model_is_loading_then_ready_then_stopped(doubled: Path) -> None:
    """Before, its engine and admission cannot be had; after, it answers; closed, it refuses."""
    one = served(doubled)
    for ask in (lambda: one.engine, lambda: one.admission, one.check):
        assert refusal(ask).code == "model_loading"
    assert (one.now(), one.kind, one.proof) == (State.LOADING, None, "none")

    async def body() -> None:
        await one.load()
        assert (one.now(), one.kind, one.proof, one.error) == (State.READY, "tensor", "none", None)
        assert one.check() is one
        assert one.load_s > 0
        answer = await one.engine.infer(TensorRequest({"x": np.ones((1, 3), np.float32)}), 1e12)
        assert answer.outputs["y"].tolist() == [[2, 2, 2]]
        await one.close(1.0)

    asyncio.run(body())
    assert one.now() is State.STOPPED
    assert refusal(one.check).code == "shutting_down"


def test_a_model_that_cannot_be_loaded_passes_its_reason_on(tmp_path: Path) -> None:
    """Cause and remedy of the failed load are in what a client is told."""
    one = served(tmp_path / "absent.onnx")
    loaded(one)
    assert one.now() is State.FAILED
    error = refusal(one.check)
    assert error.code == "model_failed"
    assert one.error is not None
    assert error.details["reason"] == one.error.cause
    assert error.details["remedy"] == one.error.fix


def test_a_defect_in_one_load_does_not_leave_the_node_loading(doubled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That model fails with the defect's name, with a traceback in the log; the next one is loaded."""

    def broken() -> Engine:
        raise MemoryError("no room")

    first, second = served(doubled, "first", opener=broken), served(doubled, "second")
    seen: list[tuple[str, State]] = []
    asyncio.run(Models([first, second]).load(lambda one: seen.append((one.id, one.state))))
    assert seen == [("first", State.FAILED), ("second", State.READY)]
    assert first.error is not None
    assert first.error.code == "load_broke"
    assert "MemoryError: no room" in first.error.cause
    assert "Traceback" in caplog.text


def test_a_cancelled_load_is_no_failure(doubled: Path) -> None:
    """The node stops while it loads."""

    async def body() -> None:
        models = Models([served(doubled)])
        loading = asyncio.create_task(models.load(lambda _: None))
        await asyncio.sleep(0)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        await models.close(1.0)
        assert models.all()[0].state is State.STOPPED

    asyncio.run(body())


@pytest.mark.parametrize(
    ("framework", "policy", "state", "code"),
    [
        ("pytorch", ProofPolicy(), State.READY, None),
        ("pytorch", STRICT, State.READY, None),
        ("freehold", ProofPolicy(), State.READY, None),
        ("freehold", STRICT, State.UNPROVEN, "proof_required"),
        (None, ProofPolicy(), State.READY, None),
        (None, STRICT, State.UNPROVEN, "proof_required"),
    ],
)
def test_a_policy_decides_which_proof_is_enough(
    doubled: Path, framework: str | None, policy: ProofPolicy, state: State, code: str | None
) -> None:
    """Required is `raw`: goldens of another framework. Ours alone, or none, are less."""
    if framework:
        golden(doubled, framework)
    one = served(doubled, policy=policy)
    loaded(one)
    assert (one.now(), one.error.code if one.error else None) == (state, code)
    if code:
        assert refusal(one.check).code == code
        assert one.kind == "tensor"  # what it is, is known all the same


@pytest.mark.parametrize("policy", [ProofPolicy(), STRICT])
def test_a_failed_proof_is_never_served_silently(doubled: Path, policy: ProofPolicy) -> None:
    """Whatever the policy: the error names output, place, expected and seen."""
    golden(doubled, "pytorch", factor=3.0)
    one = served(doubled, policy=policy)
    loaded(one)
    assert (one.now(), one.proof) == (State.UNPROVEN, "failed")
    error = refusal(one.check)
    assert error.code == "proof_failed"
    assert error.details["output"] == "y"


def test_each_refusal_is_an_error_of_its_own(doubled: Path, tmp_path: Path) -> None:
    """One that is raised for every request would keep the frames, and so the bodies, of all of them."""
    golden(doubled, "torch", factor=3.0)
    unproven, absent = served(doubled), served(tmp_path / "absent.onnx", "absent")
    loaded(unproven, absent)
    for ask in (unproven.check, lambda: absent.engine):
        first, second = refusal(ask), refusal(ask)
        assert (first.code, str(first)) == (second.code, str(second))
        assert first is not second


def test_an_accepted_failure_is_served_for_a_day(
    doubled: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that says why; then the model is unproven again, for probes as for requests."""
    golden(doubled, "pytorch", factor=3.0)
    one = served(doubled, policy=ProofPolicy(accepted="demo on Monday"))
    models = loaded(one)
    assert (one.now(), one.proof) == (State.READY, "failed")
    assert models.ready()
    (warning,) = [record for record in caplog.records if record.message == "failed_proof_accepted"]
    assert warning.reason == "demo on Monday"  # type: ignore[attr-defined] # an extra of the record
    begun = one.accepted_until - module.ACCEPTED_FOR_S
    monkeypatch.setattr(module.time, "time", lambda: begun + 24 * 3600 - 1)
    assert models.ready()
    monkeypatch.setattr(module.time, "time", lambda: begun + 24 * 3600 + 1)
    assert not models.ready()
    assert one.now() is State.UNPROVEN
    assert refusal(one.check).code == "proof_failed"
    assert "acceptance_over" in [record.message for record in caplog.records]


def test_the_only_model_of_a_kind_needs_no_name(doubled: Path, tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Of none or several, the answer says which there are."""
    text = served(graphs.build(tiny_bert_folder, tmp_path / "cache"), "text")
    one, two = served(doubled, "one"), served(doubled, "two")
    models = loaded(text, one, two)
    assert models.only("embed", "rerank") is text
    several = refusal(lambda: models.only("tensor"))
    assert (several.code, several.details["served"]) == ("model_ambiguous", "one, two")
    none = refusal(lambda: models.only("rerank"))
    assert (none.code, none.details["count"]) == ("model_ambiguous", 0)


def test_the_only_model_may_be_on_its_way_or_have_failed(doubled: Path, tmp_path: Path) -> None:
    """Then that is said, rather than that there is none."""
    assert refusal(lambda: Models([served(doubled)]).only("tensor")).code == "model_loading"
    failed = loaded(served(tmp_path / "absent.onnx"))
    assert refusal(lambda: failed.only("embed")).code == "model_failed"


def test_an_unknown_model_is_answered_with_those_there_are(doubled: Path) -> None:
    """A name of any length is shortened."""
    models = Models([served(doubled, "one"), served(doubled, "two")])
    error = refusal(lambda: models.find("x" * 1000))
    assert error.code == "model_not_found"
    assert error.details["served"] == "one, two"
    assert len(str(error.details["model"])) == 200
    assert refusal(lambda: Models([]).find("x")).details["served"] == "none"
    assert [one.id for one in models.all()] == ["one", "two"]


def test_a_draining_node_is_unready_and_still_answers(doubled: Path) -> None:
    """Probes take it out; what was accepted ends."""
    models = loaded(served(doubled))
    assert models.ready()
    models.drain()
    assert not models.ready()
    assert models.get("m").id == "m"


def test_a_node_without_its_processes_is_unready_until_they_are_back(doubled: Path) -> None:
    """The state says restarting; requests are let in, since they wait for the next process."""

    async def body() -> None:
        pool = WorkerPool(doubled, "m", SETTINGS, 1)
        one = served(doubled, opener=lambda: pool)
        models = Models([one])
        await models.load(lambda _: None)
        assert models.ready()
        os.kill(pool.processes()[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while models.ready():  # noqa: ASYNC110 - a death in another process sets no event
                await asyncio.sleep(0.001)
            assert one.now() is State.RESTARTING
            answer = await one.check().engine.infer(TensorRequest({"x": np.ones((1, 3), np.float32)}), 1e12)
        assert answer.outputs["y"].tolist() == [[2, 2, 2]]
        assert models.ready()
        await models.close(5.0)

    asyncio.run(body())


@dataclass
class Elsewhere:
    """A model behind another server, as a gateway shows it."""

    id: str
    state: str = "ready"
    vital: bool = False
    error: FreeholdError | None = None
    created: int = 0
    abilities: tuple[str, ...] = ("chat",)


def test_a_model_that_another_server_computes_is_known_and_not_answered_here() -> None:
    """It is listed among those that there are; a path that is not passed on says so."""
    models = Models([], [Elsewhere("theirs")])
    assert models.remote("theirs") is models.remotes[0]
    assert models.remote("m") is None
    for name, code in (("theirs", "model_elsewhere"), ("nobody", "model_not_found")):
        with pytest.raises(FreeholdError) as caught:
            models.get(name)
        assert caught.value.code == code
    assert caught.value.details["served"] == "theirs"


@pytest.mark.parametrize(
    ("remotes", "ready"),
    [
        ([], True),
        ([Elsewhere("a", "failed"), Elsewhere("b")], True),
        ([Elsewhere("a", "failed")], False),
        ([Elsewhere("a", "loading", vital=True), Elsewhere("b")], False),
        ([Elsewhere("a", vital=True), Elsewhere("b", "failed")], True),
    ],
)
def test_a_server_elsewhere_takes_this_node_out_only_when_nothing_is_left(
    remotes: list[Elsewhere], ready: bool
) -> None:
    """One that this node started counts like a model of its own."""
    models = Models([], remotes)
    assert models.ready() is ready
    models.drain()
    assert not models.ready()


def test_a_models_own_readiness_does_not_hang_on_servers_elsewhere(doubled: Path) -> None:
    """A fallback that is down must not take the models of this node away."""
    own = served(doubled)
    models = Models([own], [Elsewhere("theirs", "failed")])
    asyncio.run(models.load(lambda _: None))
    assert models.ready()
    asyncio.run(models.close(0.0))


def test_a_tenants_model_is_its_own_before_its_load_and_until_it_is_gone(doubled: Path, tmp_path: Path) -> None:
    """Whatever the configuration says by then: else it would be everybody's while something else is being loaded."""
    old, new = served(doubled, "old"), served(tmp_path / "absent.onnx", "new")
    old.tenant, new.tenant = "us", "them"
    models = Models([old, served(doubled, "free")])

    async def follow() -> None:
        async with models._changing:
            models.follow({"new": [new]}, ["old"])
            await asyncio.sleep(0)
            assert models.owners == {"old": "us"}
        await models.settled()
        assert models.owners == {"new": "them"}

    asyncio.run(follow())
