"""Graphs whose inner tensors can be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.exposed import ExposedGraph, graph_inputs
from freehold.adapt.onnx_graph import GraphWriter
from freehold.errors import FreeholdError

Tiny = Callable[..., Path]


def two_layers(folder: Path, weights: Path) -> Path:
    """x [n, 4] -> Gemm -> Relu -> y, with its weight in a file beside it."""
    graph = GraphWriter()
    x = graph.input("x", ("n", 4), np.float32)
    weight = graph.weight(Checkpoint.open((weights,)), "first.weight", (4, 4))
    graph.output("y", graph.node("Relu", graph.node("Gemm", x, weight, transB=1)), ("n", 4))
    graph.save_weights(folder)
    graph.save_model(folder / "model.onnx")
    return folder / "model.onnx"


@pytest.fixture
def graph_path(tmp_path: Path) -> Path:
    from safetensors.numpy import save_file

    save_file({"first.weight": -2 * np.eye(4, dtype=np.float32)}, tmp_path / "model.safetensors")
    return two_layers(tmp_path, tmp_path / "model.safetensors")


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_inner_tensors_are_read_beside_the_outputs(graph_path: Path, device: str) -> None:
    """On each runtime, with weights that stay where they lie and a file that stays as it was."""
    before = {path: path.read_bytes() for path in graph_path.parent.iterdir()}
    graph = ExposedGraph(graph_path, device)
    values = graph.run({"x": np.ones((2, 4), np.float32)})
    assert graph.outputs == ("y",)
    assert set(values) == {"y", "Gemm_0", "Relu_1"}
    np.testing.assert_array_equal(values["Gemm_0"], np.full((2, 4), -2))
    np.testing.assert_array_equal(values["y"], np.zeros((2, 4)))
    assert {path: path.read_bytes() for path in graph_path.parent.iterdir()} == before


def test_a_graph_tells_its_inputs_nodes_and_weights(graph_path: Path) -> None:
    """A weight is no input; a free dimension is -1."""
    graph = ExposedGraph(graph_path)
    assert [(spec.name, spec.datatype, spec.shape) for spec in graph.inputs] == [("x", "FP32", (-1, 4))]
    assert [(node.op, node.name) for node in graph.nodes][:2] == [("Gemm", "/Gemm_0"), ("Relu", "/Relu_1")]
    assert graph.weights == {"first.weight": (4, 4)}
    assert graph_inputs(graph_path) == graph.inputs


def test_wrong_inputs_are_told_in_the_runtimes_words(graph_path: Path) -> None:
    """As an engine would tell them."""
    with pytest.raises(FreeholdError) as caught:
        ExposedGraph(graph_path).run({"x": np.ones((2, 5), np.float32)})
    assert caught.value.code == "inference_failed"


@pytest.mark.parametrize("content", [b"no graph", b""])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its path."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(FreeholdError) as caught:
        ExposedGraph(path)
    assert caught.value.code == "graph_invalid"
    assert str(path) in caught.value.cause


def test_a_device_that_is_not_there_is_an_error(graph_path: Path) -> None:
    """And no trace of another device in its place."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(FreeholdError) as caught:
            ExposedGraph(graph_path, "cuda")
        assert caught.value.code == "device_not_granted"
