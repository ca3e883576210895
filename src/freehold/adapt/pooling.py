"""From token states to one embedding a text, as sentence-transformers' modules do it."""

from collections.abc import Sequence

from onnx import TensorProto

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.folder import Dense, Normalize
from freehold.adapt.onnx_graph import GraphWriter

# torch.nn.functional.normalize, which sentence-transformers uses, divides by at least this.
SHORTEST_NORM = 1e-12


def mean(graph: GraphWriter, states: str, member: str) -> str:
    """Mean of the states [tokens, hidden] of each text: [texts, hidden]. `member` is bool [texts, tokens]."""
    ours = graph.node("Cast", member, to=TensorProto.FLOAT)
    count = graph.node("ReduceSum", ours, graph.vector(1), keepdims=1)
    return graph.node("Div", graph.node("MatMul", ours, states), count)


def finish(graph: GraphWriter, pooled: str, after: Sequence[Dense | Normalize]) -> str:
    """What follows pooling, in order. Raises FreeholdError as `Checkpoint.require`."""
    for module in after:
        pooled = _normalize(graph, pooled) if isinstance(module, Normalize) else _dense(graph, pooled, module)
    return pooled


def _dense(graph: GraphWriter, pooled: str, module: Dense) -> str:
    checkpoint = Checkpoint.open((module.file,))
    label = module.file.parent.name
    parts = [graph.weight(checkpoint, "linear.weight", (module.outputs, module.inputs), f"{label}.linear.weight")]
    if module.bias:
        parts.append(graph.weight(checkpoint, "linear.bias", (module.outputs,), f"{label}.linear.bias"))
    result = graph.node("Gemm", pooled, *parts, transB=1)
    return graph.node("Tanh", result) if module.activation == "tanh" else result


def _normalize(graph: GraphWriter, pooled: str) -> str:
    length = graph.node("ReduceL2", pooled, graph.vector(1), keepdims=1)
    return graph.node("Div", pooled, graph.node("Max", length, graph.real(SHORTEST_NORM)))
