"""A graph written again."""

from pathlib import Path

import numpy as np

from freehold.adapt.onnx_graph import DATA_FILE, DataFile
from freehold.adapt.quantize.forms import Blocks, ByRow, Dynamic
from freehold.adapt.quantize.rewrite import rewrite
from freehold.adapt.quantize.units import FloatGraph
from freehold.engine.providers import SessionOptions
from freehold.engine.session import OnnxSession


def test_nothing_replaced(mlp: Path, tmp_path: Path) -> None:
    """Without forms the graph computes the same to the bit, its larger weights beside it."""
    made = rewrite(FloatGraph.open(mlp), {})
    folder = tmp_path / "same"
    folder.mkdir()
    made.data.save(folder)
    made.save(folder / "model.onnx")
    x = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    seen = [OnnxSession(each, SessionOptions(), "t").run(["y"], {"x": x})[0] for each in (mlp, folder / "model.onnx")]
    np.testing.assert_array_equal(*seen)
    assert (folder / DATA_FILE).stat().st_size >= 64 * 128 * 4


def test_one_of_two(mlp: Path) -> None:
    """Only units with a form change; the float weight of a replaced one is left out."""
    made = rewrite(FloatGraph.open(mlp), {"first": Dynamic()})
    assert [node.op_type for node in made.model.graph.node].count("MatMulIntegerToFloat") == 1
    names = {tensor.name for tensor in made.model.graph.initializer}
    assert {"second", "first.q8c"} <= names
    assert "first" not in names


def test_shared_activation(embedder: Path) -> None:
    """Query, key and value multiply the same states, which are quantized once."""
    graph = FloatGraph.open(embedder / "model.onnx")
    made = rewrite(graph, {unit.name: Dynamic() for unit in graph.units})
    counts = [node.op_type for node in made.model.graph.node]
    products = counts.count("MatMulIntegerToFloat")
    assert products == 2 * 6
    assert counts.count("DynamicQuantizeLinear") == products - 2 * 2


def test_tied_table(decoder: Path) -> None:
    """A table that the head multiplies takes its form for both, and what is inside is kept."""
    graph = FloatGraph.open(decoder / "model.onnx")
    made = rewrite(graph, {unit.name: Blocks(4, 32) for unit in graph.units})
    operators = {node.op_type for node in made.model.graph.node}
    assert {"MatMulNBits", "GroupQueryAttention", "Gather"} <= operators
    assert "embed_tokens.weight" not in {tensor.name for tensor in made.model.graph.initializer}


def test_variants_share_one_file(mlp: Path) -> None:
    """Graphs over one data file place each form of a weight once."""
    graph, data = FloatGraph.open(mlp), DataFile()
    rewrite(graph, {"first": Dynamic()}, data)
    placed = set(data.weights)
    rewrite(graph, {"first": ByRow()}, data)
    assert set(data.weights) == placed
    assert {"first.q8c", "second"} <= placed
