"""ONNX Runtime behind the Session protocol: re-entrant, bounded, and clear about what it cannot load."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.engine.base import EmbedRequest
from freehold.engine.opening import open_artifact
from freehold.engine.providers import SessionOptions
from freehold.engine.session import PROVIDERS, OnnxSession, open_graph
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError


def opened(path: Path, device: str = "cpu") -> OnnxSession:
    return open_graph(path, SessionOptions(device), "m")


def refusal(path: Path, device: str = "cpu") -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        opened(path, device)
    return caught.value


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def write_identity(path: Path, type_: int, shape: list[Any]) -> Path:
    x, y = (helper.make_tensor_value_info(name, type_, shape) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_inputs_and_outputs_are_those_of_the_graph(mlp_graph: Path) -> None:
    """Names, protocol types, -1 where free; the names of free dimensions are kept beside."""
    session = opened(mlp_graph)
    assert [(spec.name, spec.datatype, spec.shape) for spec in session.inputs] == [("x", "FP32", (-1, 16))]
    assert [(spec.name, spec.datatype, spec.shape) for spec in session.outputs] == [("y", "FP32", (-1, 4))]
    assert session.symbols == {"x": ("batch", 16), "y": ("batch", 4)}
    assert session.precision == "fp32"


@pytest.mark.parametrize(
    ("type_", "datatype", "values"),
    [
        (TensorProto.BOOL, "BOOL", np.array([True, False])),
        (TensorProto.FLOAT16, "FP16", np.array([1.5, np.nan], np.float16)),
        (TensorProto.DOUBLE, "FP64", np.array([1e300, -0.0])),
        (TensorProto.UINT64, "UINT64", np.array([2**64 - 1, 0], np.uint64)),
        (TensorProto.STRING, "BYTES", np.array(["a", "二"], object)),
    ],
)
def test_every_type_passes(tmp_path: Path, type_: int, datatype: str, values: np.ndarray) -> None:
    """As it came."""
    session = opened(write_identity(tmp_path / "g.onnx", type_, ["n"]))
    assert session.inputs[0].datatype == datatype
    np.testing.assert_array_equal(session.run(["y"], {"x": values})[0], values)


def test_threads_share_one_session(mlp_graph: Path) -> None:
    """Six threads with shapes of their own get what each would get alone."""
    session = opened(mlp_graph)
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            x = rng.standard_normal((int(rng.integers(1, 9)), 16), dtype=np.float32)
            together = session.run(["y"], {"x": x})[0]
            alone = np.concatenate([session.run(["y"], {"x": row[None]})[0] for row in x])
            if not np.allclose(together, alone, atol=1e-5):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_stays_flat_over_thousands_of_shapes(mlp_graph: Path) -> None:
    """What the first shapes took suffices for all that are no larger: 3,000 shapes add less than two of the largest."""
    session = opened(mlp_graph)
    largest = 20_000
    rng = np.random.default_rng(0)
    x = rng.standard_normal((largest, 16), dtype=np.float32)

    def rounds(count: int) -> int:
        for _ in range(count):
            session.run(["y"], {"x": x[: int(rng.integers(1, largest))]})
        return resident_bytes()

    session.run(["y"], {"x": x})
    before = rounds(300)
    one = largest * 4 * (16 + 32 + 32 + 4)
    assert rounds(3000) - before < 2 * one


@pytest.mark.parametrize(
    ("feeds", "reason"),
    [
        ({"x": np.zeros((1, 17), np.float32)}, "16"),
        ({"x": np.zeros((1, 16))}, "double"),
        ({"x": np.zeros(16, np.float32)}, "rank"),
        ({}, "Missing Input: x"),
        ({"x": np.zeros((1, 16), np.float32), "z": np.zeros(1)}, "z"),
    ],
    ids=["width", "type", "rank", "missing", "unknown"],
)
def test_inputs_that_do_not_fit_are_refused_with_the_reason(
    mlp_graph: Path, feeds: dict[str, np.ndarray], reason: str
) -> None:
    """One line, without the runtime's source paths; the session goes on."""
    session = opened(mlp_graph)
    with pytest.raises(FreeholdError, match="inference_failed") as caught:
        session.run(["y"], feeds)
    assert re.search(reason, caught.value.cause)
    assert "\n" not in caught.value.cause
    assert "onnxruntime_src" not in caught.value.cause
    assert session.run(["y"], {"x": np.zeros((1, 16), np.float32)})[0].shape == (1, 4)


def test_an_operator_that_fails_while_it_runs_is_told(lookup_graph: Path) -> None:
    """An index beyond the table."""
    with pytest.raises(FreeholdError, match=r"(?i)out of .*inference_failed"):
        opened(lookup_graph).run(["y"], {"i": np.array([[99]])})


def corrupt(graph: Path) -> None:
    graph.write_bytes(b"not a graph" * 100)


def cut(graph: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:-100])


def empty(graph: Path) -> None:
    graph.write_bytes(b"")


def future_opset(graph: Path) -> None:
    model = onnx.load(graph)
    model.opset_import[0].version = 99
    onnx.save(model, graph)


def unknown_operator(graph: Path) -> None:
    model = onnx.load(graph)
    model.graph.node[0].op_type = "Frobnicate"
    onnx.save(model, graph)


def lost_weights(graph: Path) -> None:
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="mlp.onnx.data", size_threshold=0)
    graph.with_name("mlp.onnx.data").unlink()


def cut_weights(graph: Path) -> None:
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="mlp.onnx.data", size_threshold=0)
    graph.with_name("mlp.onnx.data").write_bytes(b"\0" * 100)


def escaping_weights(graph: Path) -> None:
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="mlp.onnx.data", size_threshold=0)
    model = onnx.load(graph, load_external_data=False)
    for weight in model.graph.initializer:
        weight.external_data[0].value = "../../../../etc/passwd"
    onnx.save(model, graph)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (corrupt, "Protobuf parsing failed"),
        (cut, "Protobuf parsing failed"),
        (empty, "No graph was found"),
        (future_opset, "Opset 99"),
        (unknown_operator, "Frobnicate"),
        (lost_weights, r"mlp\.onnx\.data"),
        (cut_weights, "w1|w2"),
        (escaping_weights, "External data"),
    ],
)
def test_a_graph_that_cannot_be_loaded_says_why(mlp_graph: Path, damage: Any, reason: str) -> None:
    """With its path, and what is missing or unknown."""
    damage(mlp_graph)
    error = refusal(mlp_graph)
    assert (error.code, error.details["path"]) == ("graph_invalid", mlp_graph)
    assert re.search(reason, error.cause), error.cause


def test_types_that_the_protocol_lacks_are_named(tmp_path: Path) -> None:
    """A sequence of tensors as an input."""
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    graph = helper.make_graph([helper.make_node("SequenceLength", ["s"], ["y"])], "g", [sequence], [y])
    path = tmp_path / "g.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    error = refusal(path)
    assert error.code == "graph_type_unsupported"
    assert "seq(tensor(float))" in error.cause


def test_a_device_that_this_runtime_was_not_built_for_is_an_error(
    mlp_graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has is named; the processor does not step in."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    error = refusal(mlp_graph, "cuda")
    assert error.code == "device_not_granted"
    assert error.details["granted"] == "CPUExecutionProvider"


def test_tensorrt_wants_an_engine_that_was_compiled(mlp_graph: Path) -> None:
    """A start builds none, which would take minutes; `device: tensorrt` on a plain graph is an error."""
    error = refusal(mlp_graph, "tensorrt")
    assert error.code == "tensorrt_not_compiled"
    assert "freehold compile" in error.fix


def test_an_engine_that_the_runtime_refuses_is_to_be_compiled_again(
    mlp_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the processor's runtime refuses the node that stands for it: nothing else computes in its place."""
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="gone", embed_mode=0)
    plain = onnx.load(mlp_graph).graph
    graph = helper.make_graph([node], "engine", plain.input, plain.output)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "model.tensorrt.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    monkeypatch.setitem(PROVIDERS, "tensorrt", "CPUExecutionProvider")
    error = refusal(path, "tensorrt")
    assert error.code == "tensorrt_engine_refused"
    assert "compile the model again" in error.fix


def test_a_device_that_is_not_there_is_an_error(
    mlp_graph: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runtime lists a provider, and then gives the processor: the session tells. Nothing is printed."""
    absent = "MIGraphXExecutionProvider"
    monkeypatch.setitem(PROVIDERS, "cuda", absent)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [absent, "CPUExecutionProvider"])
    with pytest.warns(UserWarning, match=absent):
        error = refusal(mlp_graph, "cuda")
    assert error.code == "device_not_granted"
    assert (error.details["asked"], error.details["granted"]) == ("cuda", "CPUExecutionProvider")
    assert capfd.readouterr().out == ""


@pytest.mark.gpu
def test_cuda_computes_what_the_processor_computes(mlp_graph: Path) -> None:
    """`device: cuda` is granted, and computes fp32 in fp32."""
    x = np.random.default_rng(0).standard_normal((7, 16), dtype=np.float32)
    seen = opened(mlp_graph, "cuda").run(["y"], {"x": x})[0]
    np.testing.assert_allclose(seen, opened(mlp_graph).run(["y"], {"x": x})[0], atol=1e-4)


@pytest.mark.gpu
def test_an_encoder_on_cuda_points_the_same_way(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """By the graph for that device: texts of many lengths, packed, within a cosine of 0.9999."""
    artifact = graphs.build(tiny_bert_folder, tmp_path)
    texts = ["word", "", "held " * 60, *("is " * n for n in range(1, 30))]

    async def vectors(device: str) -> np.ndarray:
        engine = open_artifact(artifact, EngineSettings(device=device, tune=False, cores=2))
        await engine.load()
        answer = await engine.infer(EmbedRequest(texts), 1e12)
        await engine.close(5.0)
        return answer.outputs["embeddings"]

    seen, want = asyncio.run(vectors("cuda")), asyncio.run(vectors("cpu"))
    assert (np.sum(seen * want, axis=1) / np.linalg.norm(seen, axis=1)).min() > 0.9999


HIDDEN = """
import sys
from pathlib import Path
from freehold.engine.providers import SessionOptions, open_session
from freehold.errors import FreeholdError
try:
    open_session(Path(sys.argv[1]), SessionOptions("cuda"), "m")
except FreeholdError as error:
    print(error.code, "|", error.cause)
"""


@pytest.mark.gpu
def test_cuda_without_a_device_is_an_error_and_not_the_processor(mlp_graph: Path) -> None:
    """The runtime for CUDA is installed, and the device is hidden from it."""
    command = [sys.executable, "-c", HIDDEN, str(mlp_graph)]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, capture_output=True, text=True, env=hidden, check=True)
    assert ended.stdout.startswith("device_not_granted | m was asked to run on cuda")
    assert len(ended.stdout.splitlines()) == 1
    assert ".cc" not in ended.stdout
