"""Any ONNX graph, batched where a probe shows that it may be, otherwise one by one."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from freehold.artifact import Case, Tensor, save_golden
from freehold.engine.base import TensorRequest
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.engine.verify import record
from freehold.errors import FreeholdError

FAR = 1e12
PLAIN = EngineSettings(tune=False, cores=2)


def opened(graph: Path, settings: EngineSettings = PLAIN) -> TensorEngine:
    engine = open_graph_file(graph, graph.stem, settings)
    assert isinstance(engine, TensorEngine)
    return engine


async def served(engine: TensorEngine, requests: list[TensorRequest]) -> list[Any]:
    await engine.load()
    try:
        return await asyncio.gather(*(engine.infer(one, FAR) for one in requests), return_exceptions=True)
    finally:
        await engine.close(5.0)


@pytest.mark.parametrize("settings", [PLAIN, EngineSettings(cores=2)], ids=["threads", "tuned, in the loop"])
def test_batched_results_are_those_of_batch_one(mlp_graph: Path, settings: EngineSettings) -> None:
    """Requests of 1 to 3 rows that share batches get within 1e-5 what each gets alone."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1 + i % 3, 16), dtype=np.float32) for i in range(50)]
    engine = opened(mlp_graph, settings)
    answers = asyncio.run(served(engine, [TensorRequest({"x": array}) for array in arrays]))
    assert engine.batched
    reference = onnxruntime.InferenceSession(mlp_graph)
    for array, answer in zip(arrays, answers, strict=True):
        np.testing.assert_allclose(answer.outputs["y"], reference.run(None, {"x": array})[0], atol=1e-5)


def test_rows_are_counted_not_requests(mlp_graph: Path) -> None:
    """The batcher's unit is rows: a request of 3 rows costs 3."""
    costs: list[int] = []
    engine = opened(mlp_graph, EngineSettings(tune=False, cores=1, on_batch=lambda batch: costs.append(batch.cost)))
    asyncio.run(served(engine, [TensorRequest({"x": np.zeros((3, 16), np.float32)}) for _ in range(4)]))
    assert sum(costs) == 12


def test_a_graph_whose_rows_influence_one_another_is_not_batched(centred_graph: Path) -> None:
    """The probe sees it, and every request is answered as if it were alone."""
    engine = opened(centred_graph)
    arrays = [np.full((1, 3), value, np.float32) for value in (1, 5, 9)]
    answers = asyncio.run(served(engine, [TensorRequest({"x": array}) for array in arrays]))
    assert not engine.batched
    assert all(not answer.outputs["y"].any() for answer in answers)


def test_a_static_batch_runs_request_by_request(static_graph: Path) -> None:
    """The handbook's export has a static batch; it is served one by one."""
    engine = opened(static_graph)
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    answers = asyncio.run(served(engine, [TensorRequest({"x": x})] * 3))
    assert not engine.batched
    assert all(np.array_equal(answer.outputs["y"], 2 * x) for answer in answers)


def test_an_input_that_the_graph_refuses_fails_alone(lookup_graph: Path) -> None:
    """An index out of range is that request's error; its neighbours are answered."""
    requests = [TensorRequest({"i": np.array([[index]])}) for index in (3, 99, 4)]
    three, refused, four = asyncio.run(served(opened(lookup_graph), requests))
    assert (three.outputs["y"].item(), four.outputs["y"].item()) == (3.0, 4.0)
    assert isinstance(refused, FreeholdError)
    assert refused.code == "inference_failed"


def test_requests_of_different_inner_shapes_do_not_share_a_batch(lookup_graph: Path) -> None:
    """Batches are keyed by all dimensions but the first."""
    requests = [TensorRequest({"i": np.full((1, n), n % 10)}) for n in (1, 2, 3, 2, 1)]
    answers = asyncio.run(served(opened(lookup_graph), requests))
    assert [answer.outputs["y"].shape for answer in answers] == [(1, n) for n in (1, 2, 3, 2, 1)]


@pytest.mark.parametrize("shape", [(1, 16, 2), (1, 17)])
def test_a_wrong_input_shape_names_both(mlp_graph: Path, shape: tuple[int, ...]) -> None:
    """The configured shape and the graph's are both in the message."""
    with pytest.raises(FreeholdError, match="input_shape_mismatch") as caught:
        asyncio.run(served(opened(mlp_graph, EngineSettings(tune=False, input_shape=shape)), []))
    assert str(list(shape)) in caught.value.cause
    assert "[-1, 16]" in caught.value.cause


def test_a_right_input_shape_is_accepted(mlp_graph: Path) -> None:
    """Static dimensions agree, the batch is free."""
    assert asyncio.run(served(opened(mlp_graph, EngineSettings(tune=False, input_shape=(1, 16))), [])) == []


def test_a_graph_whose_time_depends_on_its_inputs_leaves_the_shortcut(
    slow_graph: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One run beyond the limit is answered, and the last that the event loop computes itself."""
    quick, slow = (TensorRequest({"turns": np.array([count])}) for count in (1, 20_000))

    async def body() -> None:
        engine = opened(slow_graph, EngineSettings(cores=1))
        await engine.load()
        assert engine.at_once(quick) is not None
        assert engine.at_once(quick) is not None
        answer = engine.at_once(slow)
        assert answer is not None
        assert answer.outputs["y"].shape == (1000,)
        assert engine.at_once(quick) is None
        assert (await engine.infer(quick, FAR)).outputs["y"].shape == (1000,)
        await engine.close(5.0)

    with caplog.at_level(logging.INFO):
        asyncio.run(body())
    assert "goes through the queue from now on" in caplog.text


def test_a_missing_and_a_corrupt_file_are_told_apart(tmp_path: Path) -> None:
    """Each names the path; the corrupt one says that it is no ONNX model."""
    with pytest.raises(FreeholdError, match="graph_missing"):
        opened(tmp_path / "absent.onnx")
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"not a protobuf at all" * 10)
    with pytest.raises(FreeholdError, match="graph_invalid") as caught:
        asyncio.run(served(opened(corrupt), []))
    assert str(corrupt) in caught.value.cause


def test_cuda_is_never_replaced_by_the_processor(mlp_graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the runtime has no CUDA, asking for it is an error that says what was granted."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(FreeholdError, match="device_not_granted") as caught:
        asyncio.run(served(opened(mlp_graph, EngineSettings(device="cuda", tune=False)), []))
    assert "CPUExecutionProvider" in caught.value.cause


def test_goldens_beside_the_file_are_replayed(mlp_graph: Path) -> None:
    """Goldens of our own show `self`; one changed expectation makes the proof fail with the place that differs."""
    engine = opened(mlp_graph)
    asyncio.run(served(engine, []))
    assert engine.proof.status == "none"
    case = Case({"x": Tensor.of(np.ones((2, 16), np.float32))}, {})
    golden = record(engine.answer, engine.manifest, [case], "test")
    folder = mlp_graph.with_name("mlp.goldens")
    save_golden(folder / "own.json", golden)
    again = opened(mlp_graph)
    asyncio.run(served(again, []))
    assert (again.proof.status, again.proof.replayed) == ("self", 1)

    wrong = golden.cases[0].outputs["y"].array().copy()
    wrong[1, 2] += 0.5
    changed = Case(golden.cases[0].inputs, {"y": Tensor.of(wrong)})
    save_golden(folder / "own.json", type(golden)(golden.recorded_by, (changed,)))
    failing = opened(mlp_graph)
    asyncio.run(served(failing, []))
    assert failing.proof.status == "failed"
    assert failing.proof.failure is not None
    assert failing.proof.failure.details["index"] == [1, 2]
