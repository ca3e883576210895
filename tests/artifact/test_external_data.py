"""Which files a graph's weights lie in is read from the graph itself."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.artifact.artifact import sha256_of
from freehold.artifact.external_data import external_data, graph_digest, weight_bytes


def write(path: Path, location: str | None, seed: int = 0) -> Path:
    """y = x w, with w of 64 KB in `location`."""
    weight = np.random.default_rng(seed).standard_normal((128, 128), dtype=np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 128])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 128])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if location is None:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)
    return path


@pytest.mark.parametrize("location", ["model.onnx.data", "weights.bin", "w" * 200 + ".bin", "权重.bin"])
def test_the_file_that_the_graph_names_is_found(tmp_path: Path, location: str) -> None:
    """Whatever its name; files that only look like it are passed over."""
    graph = write(tmp_path / "model.onnx", location)
    (tmp_path / "model.onnx.bak").write_bytes(b"x" * 1_000_000)
    assert external_data(graph) == [tmp_path / location]
    assert weight_bytes(graph) == graph.stat().st_size + 128 * 128 * 4


def test_a_graph_that_holds_its_weights_has_no_other_file(tmp_path: Path) -> None:
    """Its digest is that of the file."""
    graph = write(tmp_path / "model.onnx", None)
    assert external_data(graph) == []
    assert weight_bytes(graph) == graph.stat().st_size
    assert graph_digest(graph) == f"sha256:{sha256_of(graph)}"


def test_the_digest_changes_with_the_weights_outside(tmp_path: Path) -> None:
    """The graph's own bytes stay the same, and yet it is another model."""
    graph = write(tmp_path / "model.onnx", "weights.bin")
    before, own = graph_digest(graph), sha256_of(graph)
    (tmp_path / "weights.bin").unlink()
    write(graph, "weights.bin", seed=1)
    assert sha256_of(graph) == own
    assert graph_digest(graph) != before


def test_files_that_are_not_there_and_empty_graphs_are_no_trouble(tmp_path: Path) -> None:
    """The runtime says what is wrong with them."""
    graph = write(tmp_path / "model.onnx", "weights.bin")
    (tmp_path / "weights.bin").unlink()
    assert external_data(graph) == []
    empty = tmp_path / "empty.onnx"
    empty.touch()
    assert external_data(empty) == []
