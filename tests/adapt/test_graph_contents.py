"""What a graph consists of."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.graph_contents import contents
from freehold.errors import FreeholdError


def branch(name: str) -> "helper.GraphProto":
    """The body of one way of an If: doubles x, with a weight of its own."""
    two = numpy_helper.from_array(np.array(2, np.float32), f"{name}_two")
    node = helper.make_node("Mul", ["x", f"{name}_two"], [name])
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)], [two])


def test_nodes_weights_and_ends_are_counted() -> None:
    """Those of inner graphs too; domains and free dimensions by their names."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("FastGelu", ["a"], ["b"], domain="com.microsoft"),
        helper.make_node("If", ["which"], ["c"], then_branch=branch("yes"), else_branch=branch("no")),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16]),
        helper.make_tensor_value_info("which", TensorProto.BOOL, []),
    ]
    outputs = [helper.make_tensor_value_info("b", TensorProto.FLOAT, [None, 8])]
    weight = numpy_helper.from_array(np.zeros((16, 8), np.float32), "w")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, [weight]), opset_imports=opsets)
    found = contents(model.SerializeToString(), "model.onnx")
    assert found.operators == {"If": 1, "MatMul": 1, "Mul": 2, "com.microsoft.FastGelu": 1}
    assert found.nodes == 5
    assert found.inputs == {"x": "FLOAT [batch, 16]", "which": "BOOL []"}
    assert found.outputs == {"b": "FLOAT [?, 8]"}
    assert found.initializers == {"w": "FLOAT [16, 8]", "yes_two": "FLOAT []", "no_two": "FLOAT []"}
    assert found.opsets == {"ai.onnx": 17, "com.microsoft": 1}


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"not a graph"])
def test_what_is_no_graph_is_said(raw: bytes) -> None:
    """With the file's name."""
    with pytest.raises(FreeholdError, match="graph_invalid") as told:
        contents(raw, "model.onnx")
    assert "model.onnx" in told.value.cause
