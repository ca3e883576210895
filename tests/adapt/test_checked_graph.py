"""What ONNX's own checks find, and graphs that reach out of their folder."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.checked_graph import check_locations, checked, locations, opset_of
from freehold.errors import FreeholdError


def graph(path: Path, operator: str = "MatMul", location: str = "") -> Path:
    """[batch, 4] -> [batch, 2]; its weight lies at `location` where one is given."""
    weight = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    if location:
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
        weight.external_data.add(key="length", value="32")
        weight.ClearField("raw_data")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])]
    made = helper.make_graph([helper.make_node(operator, ["x", "w"], ["y"])], "g", inputs, outputs, [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_sound_graph_is_read(tmp_path: Path) -> None:
    """With its opset and the files of its weights."""
    (tmp_path / "w.bin").write_bytes(np.ones((4, 2), np.float32).tobytes())
    model = checked(graph(tmp_path / "m.onnx", location="w.bin"))
    assert opset_of(model) == 17
    assert locations(model) == ["w.bin"]
    assert locations(checked(graph(tmp_path / "inside.onnx"))) == []


def test_what_is_no_graph_is_told(tmp_path: Path) -> None:
    """Bytes that are no protobuf, an operator that does not exist, a node without its input."""
    (tmp_path / "noise.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(FreeholdError, match="no ONNX protobuf"):
        checked(tmp_path / "noise.onnx")
    with pytest.raises(FreeholdError, match="NoSuchOperator"):
        checked(graph(tmp_path / "m.onnx", "NoSuchOperator"))
    model = onnx.load(graph(tmp_path / "cut.onnx"))
    del model.graph.initializer[:]
    onnx.save(model, tmp_path / "cut.onnx")
    with pytest.raises(FreeholdError, match="onnx_invalid"):
        checked(tmp_path / "cut.onnx")


def test_weights_must_lie_beside_the_graph(tmp_path: Path) -> None:
    """A file that is missing, and one that is none of the model's business."""
    with pytest.raises(FreeholdError, match="onnx_data_missing"):
        checked(graph(tmp_path / "m.onnx", location="w.bin"))
    with pytest.raises(FreeholdError, match="onnx_data_outside"):
        checked(graph(tmp_path / "m.onnx", location="../../etc/passwd"))
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(FreeholdError, match="onnx_data_outside"):
        checked(graph(tmp_path / "m.onnx", location="link"))


@pytest.mark.parametrize("location", ["w.bin", "../w.bin", "/etc/passwd"])
def test_weights_of_inner_graphs_must_lie_beside_it_too(tmp_path: Path, location: str) -> None:
    """A branch of an If has initializers of its own."""
    (tmp_path / "in").mkdir()
    for place in (tmp_path, tmp_path / "in"):
        (place / "w.bin").write_bytes(np.ones((4, 2), np.float32).tobytes())
    inner = onnx.load(graph(tmp_path / "inner.onnx", location=location), load_external_data=False).graph
    del inner.input[:]
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])]
    inputs.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    made = helper.make_graph([node], "outer", inputs, list(inner.output))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "in" / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert locations(model) == [location]
    if location == "w.bin":
        check_locations(path)
        return
    with pytest.raises(FreeholdError, match="onnx_data_outside"):
        check_locations(path)


def test_a_graph_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A process that promised one may have left none."""
    with pytest.raises(FreeholdError, match="No such file"):
        check_locations(tmp_path / "m.onnx")
