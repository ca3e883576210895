"""Operations that tf2onnx has no form for; what they compute is compared in test_tensorflow_export.py."""

from typing import Any

import onnx


def test_the_exact_gelu_is_converted(tensorflow_answers: dict[str, dict[str, Any]]) -> None:
    """Erfc, which Keras' GELU is made of, becomes 1 - Erf."""
    graph = onnx.load(tensorflow_answers["sequential.h5"]["graph"]).graph
    assert {"Erf", "Sub"} <= {node.op_type for node in graph.node}
