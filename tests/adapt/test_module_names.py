"""Which tensor belongs to which module."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from freehold.adapt.exposed import ExposedGraph
from freehold.adapt.module_names import SCOPES, Place, module_of, places

Rows = list[tuple[str, list[str], list[str], str, str]]


def graph_of(path: Path, rows: Rows, weights: dict[str, tuple[int, ...]]) -> ExposedGraph:
    """Rows: operator, inputs, outputs, name, scopes. All tensors [2, 2]."""
    nodes = []
    for op, inputs, outputs, name, scopes in rows:
        node = helper.make_node(op, inputs, outputs, name=name)
        if scopes:
            node.metadata_props.append(onnx.StringStringEntryProto(key=SCOPES, value=scopes))
        nodes.append(node)
    tensors = [helper.make_tensor(name, TensorProto.FLOAT, dims, [1.0] * _size(dims)) for name, dims in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    y = helper.make_tensor_value_info(rows[-1][2][0], TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return ExposedGraph(path)


def _size(dims: tuple[int, ...]) -> int:
    size = 1
    for dim in dims:
        size *= dim
    return size


def test_what_the_exporter_noted_goes_first(tmp_path: Path) -> None:
    """A module's nodes are those traced in it; its input is the first tensor from outside."""
    rows: Rows = [
        ("MatMul", ["x", "w"], ["a"], "node_1", "['', 'net.0', 'linear']"),
        ("Add", ["a", "b"], ["c"], "node_2", "['', 'net.0', 'linear_1']"),
        ("Relu", ["c"], ["y"], "node_3", "['', 'net.1', 'relu']"),
    ]
    graph = graph_of(tmp_path / "g.onnx", rows, {"w": (2, 2), "b": (2,)})
    assert module_of(graph.nodes[2]) == "net.1"
    assert places(graph, ["net.0", "net.1", "net"]) == {
        ("net.0",): Place("x", ("a", "c")),
        ("net.1",): Place("c", ("y",)),
    }


def test_node_names_that_are_paths_are_read(tmp_path: Path) -> None:
    """As exporters wrote them before they noted scopes; a container has the nodes of what is in it."""
    rows: Rows = [
        ("MatMul", ["x", "w"], ["a"], "/net/net.0/MatMul", ""),
        ("Relu", ["a"], ["y"], "/net/net.1/Relu", ""),
    ]
    found = places(graph_of(tmp_path / "g.onnx", rows, {"w": (2, 2)}), ["net", "net.net.0", "net.net.1"])
    assert found == {
        ("net",): Place("x", ("a", "y")),
        ("net.net.0",): Place("x", ("a",)),
        ("net.net.1",): Place("a", ("y",)),
    }


@pytest.mark.parametrize(
    "modules", [["first", "second.a", "second.b"], ["bert.first", "bert.second.a", "bert.second.b"]]
)
def test_weights_name_the_module_that_reads_them(tmp_path: Path, modules: list[str]) -> None:
    """Also where the network has one module around all of them, and where a product is of layers side by side."""
    rows: Rows = [
        ("Gemm", ["x", "first.weight", "first.bias"], ["a"], "", ""),
        ("MatMul", ["a", "second.a+b"], ["y"], "", ""),
    ]
    weights: dict[str, tuple[int, ...]] = {"first.weight": (2, 2), "first.bias": (2,), "second.a+b": (2, 2)}
    found = places(graph_of(tmp_path / "g.onnx", rows, weights), modules)
    assert found == {(modules[0],): Place("x", ("a",)), tuple(modules[1:]): Place("a", ("y",))}


def test_a_matrix_that_is_added_is_no_layer(tmp_path: Path) -> None:
    """A table of one row, added to states, is not where its module's output is."""
    rows: Rows = [("Add", ["x", "types.weight"], ["y"], "", "")]
    assert places(graph_of(tmp_path / "g.onnx", rows, {"types.weight": (1, 2)}), ["types"]) == {}
