"""The file that stands for an engine."""

from pathlib import Path

import onnx
import pytest
from onnx import helper

from freehold.adapt.tensorrt.subject import Port
from freehold.adapt.tensorrt.wrapper import ENGINE, engine_of, write_wrapper
from freehold.errors import FreeholdError

from .conftest import write_dense

X, Y = Port("x", "INT64", ("batch", 3)), Port("y", "FP32", ("batch",))


def test_one_node_names_the_engine_and_what_it_is_for(tmp_path: Path) -> None:
    """The attributes that ONNX Runtime's provider reads, and the graph's own inputs and outputs."""
    model = onnx.load(write_wrapper(tmp_path, (X,), (Y,), "10.13.3", "9.0"))
    (node,) = model.graph.node
    assert (node.op_type, node.domain) == ("EPContext", "com.microsoft")
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    assert attributes == {
        "main_context": 1,
        "embed_mode": 0,
        "ep_cache_context": ENGINE.encode(),
        "ep_sdk_version": b"10.13.3",
        "hardware_architecture": b"90",
        "partition_name": b"engine",
        "source": b"TensorrtExecutionProvider",
    }
    given = model.graph.input[0].type.tensor_type
    assert (given.elem_type, given.shape.dim[0].dim_param, given.shape.dim[1].dim_value) == (7, "batch", 3)


def test_the_engine_is_found_beside_it(tmp_path: Path) -> None:
    """And only there."""
    wrapper = write_wrapper(tmp_path, (X,), (Y,), "10.13.3", "9.0")
    with pytest.raises(FreeholdError) as caught:
        engine_of(wrapper)
    assert caught.value.code == "graph_invalid"
    (tmp_path / ENGINE).write_bytes(b"")
    assert engine_of(wrapper) == tmp_path / ENGINE


def test_an_engine_elsewhere_is_refused(tmp_path: Path) -> None:
    """A name that leaves the folder."""
    (tmp_path / ENGINE).write_bytes(b"")
    inner = tmp_path / "inner"
    inner.mkdir()
    wrapper = write_wrapper(inner, (X,), (Y,), "10", "9.0")
    model = onnx.load(wrapper)
    next(one for one in model.graph.node[0].attribute if one.name == "ep_cache_context").s = f"../{ENGINE}".encode()
    onnx.save(model, wrapper)
    with pytest.raises(FreeholdError):
        engine_of(wrapper)


def test_a_graph_of_which_only_parts_are_engines_is_refused(tmp_path: Path) -> None:
    """The rest would be computed elsewhere in silence."""
    with pytest.raises(FreeholdError) as caught:
        engine_of(write_dense(tmp_path / "parts.onnx"))
    assert (caught.value.code, caught.value.details["operators"]) == ("tensorrt_partial", "MatMul")


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    """As everywhere."""
    (tmp_path / "x.onnx").write_bytes(b"\xff" * 32)
    with pytest.raises(FreeholdError) as caught:
        engine_of(tmp_path / "x.onnx")
    assert caught.value.code == "graph_invalid"
