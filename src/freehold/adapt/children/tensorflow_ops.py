"""ONNX forms of operations that tf2onnx has none for; importing this module registers them."""

from typing import Any

import numpy as np
from tf2onnx import utils
from tf2onnx.handler import tf_op


@tf_op("Erfc")
class Erfc:
    """1 - erf(x). Keras' exact GELU is made of it."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
        """Since opset 9, which brought Erf."""
        dtypes, shapes = node.output_dtypes, node.output_shapes
        one = np.array(1, utils.map_onnx_to_numpy_type(dtypes[0]))
        ctx.remove_node(node.name)
        error = ctx.make_node("Erf", [node.input[0]], dtypes=dtypes, shapes=shapes)
        constant = ctx.make_const(utils.make_name(node.name), one)
        terms = [constant.output[0], error.output[0]]
        ctx.make_node("Sub", terms, name=node.name, outputs=node.output, dtypes=dtypes, shapes=shapes)
