"""The ONNX file that stands for an engine: one node, by which ONNX Runtime's TensorRT provider loads it.

The node is `EPContext` of the domain com.microsoft, as ONNX Runtime's page "EP Context Design" describes it.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from freehold.adapt.onnx_graph import IR_VERSION, MICROSOFT, OPSET
from freehold.adapt.tensorrt.subject import DATATYPES, Port
from freehold.artifact.artifact import TENSORRT, write_durably
from freehold.engine.session import PROVIDERS
from freehold.errors import FreeholdError

ENGINE = "model.tensorrt.plan"
PROVIDER = PROVIDERS["tensorrt"]
OPERATOR = "EPContext"
CODES = {name: code for code, name in DATATYPES.items()}


def write_wrapper(folder: Path, inputs: Sequence[Port], outputs: Sequence[Port], version: str, capability: str) -> Path:
    """Write the graph for the engine `ENGINE` in `folder`, and return its path."""
    node = helper.make_node(
        OPERATOR,
        [port.name for port in inputs],
        [port.name for port in outputs],
        name="engine",
        domain=MICROSOFT,
        main_context=1,
        embed_mode=0,
        ep_cache_context=ENGINE,
        ep_sdk_version=version,
        hardware_architecture=capability.replace(".", ""),
        partition_name="engine",
        source=PROVIDER,
    )
    given, made = (
        [helper.make_tensor_value_info(port.name, CODES[port.datatype], port.dims) for port in ports]
        for ports in (inputs, outputs)
    )
    graph = helper.make_graph([node], "engine", given, made)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    path = folder / TENSORRT
    write_durably(path, helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())
    return path


def engine_of(wrapper: Path) -> Path:
    """The engine file of a wrapper that holds nothing but it.

    Raises FreeholdError `tensorrt_partial` where parts of the graph were left to other providers.
    """
    try:
        model = onnx.load(wrapper, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise FreeholdError("graph_invalid", path=wrapper, reason=str(error)) from error
    nodes = model.graph.node
    others = sorted({node.op_type for node in nodes if node.op_type != OPERATOR})
    if len(nodes) != 1 or others:
        raise FreeholdError("tensorrt_partial", parts=len(nodes), operators=", ".join(others) or "-")
    named = {one.name: helper.get_attribute_value(one) for one in nodes[0].attribute}
    engine = wrapper.parent / bytes(named.get("ep_cache_context", b"")).decode("utf-8", "replace")
    if engine.resolve().parent != wrapper.parent.resolve() or not engine.is_file():
        raise FreeholdError("graph_invalid", path=wrapper, reason=f"its engine {engine.name} is not beside it")
    return engine
