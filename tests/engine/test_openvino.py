"""OpenVINO behind the Session protocol: the answers of ONNX Runtime, within what its precision allows."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.artifact import Artifact
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.opening import open_artifact
from freehold.engine.openvino import OpenVinoSession
from freehold.engine.packed import pack
from freehold.engine.providers import Session, SessionOptions, open_session
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import Encoded
from freehold.errors import FreeholdError
from freehold.machine import read_cpu

TEXTS = ["word is held", "", "a " * 200, "land held outright, with no landlord", "永久产权", "held " * 40] * 3
BF16 = bool(read_cpu().flags & {"avx512_bf16", "amx_bf16"})


@pytest.fixture(scope="module")
def minilm(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM's artifact. Do not write here."""
    return graphs.build(minilm_folder, tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="module")
def reranker(tiny_reranker_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny cross-encoder's artifact. Do not write here."""
    return graphs.build(tiny_reranker_folder, tmp_path_factory.mktemp("reranker"))


def session(graph: Path, device: str = "openvino", precision: str = "fp32") -> Session:
    return open_session(graph, SessionOptions(device, precision), "m")


def answers(artifact: Path, device: str, precision: str) -> tuple[Any, str]:
    """Vectors of TEXTS or their scores, and what the proof came to."""
    settings = EngineSettings(device=device, precision=precision, tune=False, cores=2)
    engine = open_artifact(artifact, settings)
    rerank = engine.manifest.kind == "rerank"

    async def body() -> Any:
        await engine.load()
        asked = [RerankRequest("word", [text]) if rerank else EmbedRequest([text]) for text in TEXTS]
        together = await asyncio.gather(*(engine.infer(one, 1e12) for one in asked))
        await engine.close(1.0)
        return np.concatenate([answer.outputs[engine.manifest.outputs[0].name] for answer in together])

    return asyncio.run(body()), engine.proof.status


def write_identity(path: Path, type_: int) -> Path:
    x, y = (helper.make_tensor_value_info(name, type_, ["n", 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def packed(seed: int, vocabulary: int, longest: int, count: int, with_types: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest, count)
    rows = [Encoded(rng.integers(0, vocabulary, n).tolist(), [0] * int(n), cut=False) for n in lengths]
    return pack(rows, with_types)


def test_minilm_in_fp32_is_that_of_onnxruntime(minilm: Path) -> None:
    """Within 1e-4, and its raw goldens hold."""
    want, _ = answers(minilm, "cpu", "fp32")
    seen, proof = answers(minilm, "openvino", "fp32")
    np.testing.assert_allclose(seen, want, atol=1e-4)
    assert proof == "raw"


def test_minilm_in_bf16_points_the_same_way(minilm: Path) -> None:
    """Cosine of at least 0.999; its goldens hold within the tolerance of bf16. Without such a processor: refused."""
    if not BF16:
        with pytest.raises(FreeholdError, match=r"device_not_granted|graph_invalid"):
            session(Artifact.open(minilm).graph_for("openvino"), precision="bf16")
        return
    want, _ = answers(minilm, "cpu", "fp32")
    seen, proof = answers(minilm, "openvino", "bf16")
    assert (np.sum(seen * want, axis=1) / np.linalg.norm(seen, axis=1)).min() > 0.999
    assert proof == "raw"
    assert not np.array_equal(seen, want)  # it did compute in another precision


def test_the_reranker_in_fp32_is_that_of_onnxruntime(reranker: Path) -> None:
    """Logits, of single texts and of several in a batch."""
    np.testing.assert_allclose(
        answers(reranker, "openvino", "fp32")[0], answers(reranker, "cpu", "fp32")[0], atol=1e-4, rtol=1e-4
    )


def test_threads_with_varied_shapes_get_their_own_answers(reranker: Path) -> None:
    """Four threads, one compiled model: no buffer is shared."""
    artifact = Artifact.open(reranker)
    ours, theirs = session(artifact.graph_for("openvino")), session(artifact.graph_for("cpu"), "cpu")
    wrong: list[int] = []

    def work(seed: int) -> None:
        for turn in range(40):
            feeds = packed(seed * 1000 + turn, 200, 60, 1 + turn % 5, with_types=False)
            seen = ours.run(["logits"], feeds)[0]
            if not np.allclose(seen, theirs.run(["logits"], feeds)[0], atol=1e-4, rtol=1e-4):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_answers_are_not_changed_by_later_runs(mlp_graph: Path) -> None:
    """The buffers of a thread's request are used again; an answer is a copy."""
    opened = session(mlp_graph)
    first = opened.run(["y"], {"x": np.ones((2, 16), np.float32)})[0]
    kept = first.copy()
    opened.run(["y"], {"x": np.full((2, 16), 7, np.float32)})
    np.testing.assert_array_equal(first, kept)


def test_memory_stays_flat_over_varied_shapes(reranker: Path) -> None:
    """Kernels are kept by shape: 600 shapes more add at most 50 MB (10 were seen, and 108 without a bound)."""
    opened = session(Artifact.open(reranker).graph_for("openvino"))

    def rounds(first: int, count: int) -> int:
        for turn in range(first, first + count):
            opened.run(["logits"], packed(turn, 200, 120, 1 + turn % 7, with_types=False))
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = rounds(0, 600)
    assert rounds(1000, 600) - before < 50 << 20


def test_names_and_types_are_those_of_the_graph(reranker: Path) -> None:
    """As ONNX Runtime says, so that one manifest suits both."""
    artifact = Artifact.open(reranker)
    ours, theirs = session(artifact.graph_for("openvino")), session(artifact.graph_for("cpu"), "cpu")
    assert {spec.name for spec in ours.inputs} == {spec.name for spec in theirs.inputs}
    assert [spec.name for spec in ours.outputs] == [spec.name for spec in theirs.outputs] == ["logits"]
    assert [spec.datatype for spec in ours.outputs] == ["FP32"]


@pytest.mark.parametrize(
    ("feeds", "reason"),
    [
        ({"x": np.zeros((1, 17), np.float32)}, "incompatible"),
        ({"x": np.zeros((1, 16))}, "x is float32, and float64 came"),
        ({}, "the inputs are x, and none came"),
        ({"x": np.zeros((1, 16), np.float32), "z": np.zeros(1)}, "and x, z came"),
    ],
    ids=["width", "type", "missing", "unknown"],
)
def test_inputs_that_do_not_fit_are_refused(mlp_graph: Path, feeds: dict[str, np.ndarray], reason: str) -> None:
    """Above all a missing one: OpenVINO itself would compute with what an earlier request left there."""
    opened = session(mlp_graph)
    opened.run(["y"], {"x": np.ones((1, 16), np.float32)})
    with pytest.raises(FreeholdError, match="inference_failed") as caught:
        opened.run(["y"], feeds)
    assert reason in caught.value.cause
    assert opened.run(["y"], {"x": np.ones((1, 16), np.float32)})[0].shape == (1, 4)


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (TensorProto.BOOL, np.array([[True, False, True]])),
        (TensorProto.INT64, np.array([[1, -2, 3]])),
        (TensorProto.DOUBLE, np.array([[1e300, 0.1, -0.0]])),
        (TensorProto.FLOAT16, np.array([[1.5, -2, 0]], np.float16)),
    ],
)
def test_every_type_passes(tmp_path: Path, type_: int, values: np.ndarray) -> None:
    """As it came."""
    seen = session(write_identity(tmp_path / "g.onnx", type_)).run(["y"], {"x": values})[0]
    assert (seen.dtype, seen.tolist()) == (values.dtype, values.tolist())


def test_strings_are_refused_when_the_graph_is_opened(tmp_path: Path) -> None:
    """OpenVINO would take the whole process down with them."""
    with pytest.raises(FreeholdError, match="device_type_unsupported") as caught:
        session(write_identity(tmp_path / "g.onnx", TensorProto.STRING))
    assert "`device: cpu`" in caught.value.fix


def test_a_graph_that_it_cannot_read_says_so(tmp_path: Path) -> None:
    """With its path."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08\x08 not a graph")
    with pytest.raises(FreeholdError, match="graph_invalid") as caught:
        session(path)
    assert caught.value.details["path"] == path


REAL_CORE = openvino.Core


class WithoutBf16:
    """A core that compiles in f32, as OpenVINO does where the processor has no bf16 units."""

    def __init__(self) -> None:
        self._core = REAL_CORE()

    def read_model(self, path: Path) -> Any:
        return self._core.read_model(path)

    def compile_model(self, model: Any, device: str, properties: dict[str, str]) -> Any:
        return self._core.compile_model(model, device, {**properties, "INFERENCE_PRECISION_HINT": "f32"})


def test_a_precision_that_is_not_granted_is_an_error(mlp_graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked and what was given are both named."""
    monkeypatch.setattr("freehold.engine.openvino.openvino.Core", WithoutBf16)
    with pytest.raises(FreeholdError, match="device_not_granted") as caught:
        OpenVinoSession(mlp_graph, SessionOptions("openvino", "bf16"), "m")
    assert "openvino bf16" in caught.value.cause
    assert "openvino f32" in caught.value.cause
