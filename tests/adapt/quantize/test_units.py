"""Which weights can be quantized."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.quantize.units import FloatGraph, names_read, opset_of, opsets_with_ours
from freehold.errors import FreeholdError


def one_node(folder: Path, *nodes: onnx.NodeProto, opset: int = 20, shape: tuple[int, ...] = (64, 64)) -> Path:
    """A graph of `nodes` over the input `x`, the indices `ids` and one weight `w`."""
    graph = helper.make_graph(
        list(nodes),
        "one",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 64)),
            helper.make_tensor_value_info("ids", TensorProto.INT64, ("n",)),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(shape, np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    path = folder / "one.onnx"
    onnx.save(model, path)
    return path


def test_products(mlp: Path) -> None:
    """MatMul and Gemm are units in the order of the graph, each with the bias that it adds itself."""
    graph = FloatGraph.open(mlp)
    assert [(unit.name, unit.uses[0].role, unit.uses[0].bias) for unit in graph.units] == [
        ("first", "product", ""),
        ("second", "product", "last"),
    ]
    first, second = (unit.uses[0].weight for unit in graph.units)
    assert (first.shape, second.shape) == ((128, 64), (10, 128))
    assert graph.weight_bytes == sum(stored.nbytes for stored in graph.tensors.values())
    assert not any(unit.looked_up for unit in graph.units)
    assert graph.opset == 20


def test_convolutions(convolution: Path) -> None:
    """Kernels are units."""
    assert [unit.uses[0].role for unit in FloatGraph.open(convolution).units] == ["convolution"] * 2


def test_table_and_head(decoder: Path) -> None:
    """A table of words that the head multiplies too is one unit with two uses; norms are none."""
    units = {unit.name: unit for unit in FloatGraph.open(decoder / "model.onnx").units}
    assert [use.role for use in units["embed_tokens.weight"].uses] == ["lookup", "product"]
    assert not any("norm" in name for name in units)


def test_large_table(tmp_path: Path) -> None:
    """A large table is a unit, a small one is not worth it."""
    lookup = helper.make_node("Gather", ["w", "ids"], ["y"])
    assert FloatGraph.open(one_node(tmp_path, lookup, shape=(1024, 64))).units[0].looked_up
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(one_node(tmp_path, lookup, shape=(16, 64)))
    assert raised.value.code == "quantize_nothing"
    assert "1 Gather" in raised.value.cause


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5)],
        [helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)],
        [helper.make_node("Gather", ["w", "ids"], ["y"], axis=1)],
        [helper.make_node("MatMul", ["w", "x"], ["y"])],
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "w"], ["y"])],
        [helper.make_node("Relu", ["x"], ["y"])],
    ],
)
def test_left_alone(tmp_path: Path, nodes: list[onnx.NodeProto]) -> None:
    """What has no quantized form, or is read by something else too, is no unit; a graph without units is told."""
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(one_node(tmp_path, *nodes))
    assert raised.value.code == "quantize_nothing"


def test_readers_inside_branches(tmp_path: Path) -> None:
    """A weight that a branch of the graph reads too stays as it is."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["made"])],
        "inner",
        [],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, None)],
    )
    branch = helper.make_node("If", ["flag"], ["b"], then_branch=inner, else_branch=inner)
    assert set(names_read(branch)) == {"flag", "w", "made"}
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    flag = helper.make_node("Constant", [], ["flag"], value=numpy_helper.from_array(np.array(True)))
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(one_node(tmp_path, flag, branch, product))
    assert raised.value.code == "quantize_nothing"


def test_half_precision(write_graph, tmp_path: Path) -> None:
    """A graph in float16 is told by the type of its weights."""
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(write_graph(tmp_path, dtype=np.float16))
    assert raised.value.code == "quantize_nothing"
    assert "float16" in raised.value.cause


def test_already(tmp_path: Path) -> None:
    """A graph with nodes of quantized numbers is not quantized again."""
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(one_node(tmp_path, node))
    assert raised.value.code == "quantize_already"


def test_old_opset(write_graph, tmp_path: Path) -> None:
    """An opset whose QuantizeLinear knows no channels is refused with both numbers."""
    with pytest.raises(FreeholdError) as raised:
        FloatGraph.open(write_graph(tmp_path, opset=12))
    assert raised.value.code == "quantize_opset_old"
    assert raised.value.details["opset"] == 12


def test_no_graph(tmp_path: Path) -> None:
    """A file that is no ONNX, and no file at all."""
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 64)
    for name in ("broken.onnx", "absent.onnx"):
        with pytest.raises(FreeholdError) as raised:
            FloatGraph.open(tmp_path / name)
        assert raised.value.code == "graph_invalid"


def test_opsets(mlp: Path) -> None:
    """The runtime's own operators are named once."""
    model = onnx.load(mlp)
    model.opset_import.extend([helper.make_opsetid("com.microsoft", 1)])
    assert [(entry.domain, entry.version) for entry in opsets_with_ours(model)] == [("", 20), ("com.microsoft", 1)]
    assert opset_of(onnx.ModelProto()) == 0
