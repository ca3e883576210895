"""What an ONNX graph consists of, counted: to say how two graphs differ without opening a session."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from freehold.errors import FreeholdError


@dataclass(frozen=True)
class Contents:
    """Counts and shapes of one graph. Operators are named "MatMul", with their domain "com.microsoft.Gelu"."""

    opsets: Mapping[str, int] = field(default_factory=dict)
    operators: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    initializers: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """How many nodes, those of inner graphs too."""
        return sum(self.operators.values())


def contents(raw: bytes, name: str) -> Contents:
    """Count the graph in `raw`; weights in external files are not read. Raises `graph_invalid` naming `name`."""
    try:
        model = ModelProto.FromString(raw)
    except Exception as error:  # protobuf's own errors have no public base
        raise FreeholdError("graph_invalid", path=name, reason=str(error)) from error
    graphs = [*graphs_in(model.graph)]
    nodes = Counter(operator_of(node) for graph in graphs for node in graph.node)
    return Contents(
        opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        operators=dict(sorted(nodes.items())),
        inputs={value.name: _value(value) for value in model.graph.input},
        outputs={value.name: _value(value) for value in model.graph.output},
        initializers={tensor.name: _tensor(tensor) for graph in graphs for tensor in graph.initializer},
    )


def operator_of(node: NodeProto) -> str:
    """ "MatMul", with its domain "com.microsoft.Gelu"."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def graphs_in(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs_in(inner)


def shape_of(value: ValueInfoProto) -> tuple[int | str, ...]:
    """The sizes of an input or output; a free dimension is its name, "?" where it has none."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims)


def _value(value: ValueInfoProto) -> str:
    return _typed(value.type.tensor_type.elem_type, shape_of(value))


def _tensor(tensor: TensorProto) -> str:
    return _typed(tensor.data_type, tensor.dims)


def _typed(code: int, shape: Sequence[int | str]) -> str:
    known = code in onnx.TensorProto.DataType.values()
    return f"{onnx.TensorProto.DataType.Name(code) if known else code} [{', '.join(map(str, shape))}]"
