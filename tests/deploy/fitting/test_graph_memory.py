"""What a graph's weights and activations take, read from the graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.deploy.fitting.graph_memory import activation_bytes, graph_weights


def write(path: Path, rows: int = 2048, width: int = 512) -> Path:
    """Rows of a table, times two matrices of which the first is four times as wide."""
    rng = np.random.default_rng(0)
    weights = {"table": (rows, width), "up": (width, 4 * width), "down": (4 * width, width)}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["states"]),
        helper.make_node("MatMul", ["states", "up"], ["wide"]),
        helper.make_node("MatMul", ["wide", "down"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(rng.random(shape, np.float32), name) for name, shape in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_tables_are_told_from_what_is_multiplied(tmp_path: Path) -> None:
    """A table is mapped as it lies; its height is no width of a layer."""
    weights = graph_weights(write(tmp_path / "model.onnx"))
    assert sum(weights.tables.values()) == 2048 * 512 * 4
    assert weights.packed == 2 * 512 * 2048 * 4
    assert (weights.hidden, weights.height) == (512, 2048)


def test_activations_live_from_their_maker_to_their_last_reader(tmp_path: Path) -> None:
    """Of 16 rows: where `out` is made, `wide` is there still, `states` no more."""
    graph = write(tmp_path / "model.onnx")
    one, sixteen = activation_bytes(graph, 1), activation_bytes(graph, 16)
    assert sixteen == 16 * one
    assert one == 4 * (4 * 512 + 512)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    """Some bytes."""
    (tmp_path / "model.onnx").write_bytes(b"\xff\xfe not protobuf")
    with pytest.raises(ValueError, match="is no ONNX file"):
        graph_weights(tmp_path / "model.onnx")
