"""What can be quantized in a graph: weights that matrix products, convolutions and tables read."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from freehold.adapt.onnx_graph import MICROSOFT
from freehold.adapt.quantize.stored import Stored, StoredMatrix, stored_tensors
from freehold.errors import FreeholdError

LEAST_OPSET = 13
LEAST_WEIGHT = 256  # elements: below, nothing is saved
LEAST_TABLE = 1 << 14
QUANTIZED = frozenset(
    {
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "DynamicQuantizeMatMul",
        "GatherBlockQuantized",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
    }
)
GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
CANDIDATES = ("MatMul", "Gemm", "Conv")

Role = Literal["product", "convolution", "lookup"]


@dataclass(frozen=True)
class Use:
    """One node that reads a weight: a product with `weight` [n, k], a convolution by it, or a lookup of its rows.

    `states` is the tensor that is multiplied (of a lookup: the indices), `bias` the name of what is added, or "".
    """

    role: Role
    node: int  # its place in the graph
    states: str
    output: str
    weight: StoredMatrix
    bias: str = ""
    bias_is_vector: bool = False  # a constant of one value an output


@dataclass(frozen=True)
class Unit:
    """One weight and every node that reads it: what is quantized, or kept, as a whole."""

    name: str
    uses: tuple[Use, ...]

    @property
    def stored(self) -> Stored:
        """The weight."""
        return self.uses[0].weight.stored

    @property
    def looked_up(self) -> bool:
        """True where rows of it are only looked up: a table, such as of words."""
        return all(use.role == "lookup" for use in self.uses)


@dataclass(frozen=True)
class FloatGraph:
    """An ONNX graph that was read without the weights beside it; errors name it as `called`."""

    path: Path
    model: onnx.ModelProto
    tensors: dict[str, Stored]
    units: tuple[Unit, ...]
    called: str

    @classmethod
    def open(cls, path: Path, ref: str = "") -> "FloatGraph":
        """Read `path`, which errors call `ref`, and find its units, in the order of the graph.

        Raises FreeholdError `graph_invalid`, `quantize_already`, `quantize_opset_old` or `quantize_nothing`.
        """
        called = ref or str(path)
        try:
            model = onnx.load(path, load_external_data=False)
        except (OSError, DecodeError) as error:
            raise FreeholdError("graph_invalid", path=path, reason=str(error)) from error
        operators = Counter(node.op_type for node in model.graph.node)
        done = sorted(QUANTIZED & set(operators))
        if done:
            raise FreeholdError("quantize_already", path=called, found=", ".join(done))
        opset = opset_of(model)
        if opset < LEAST_OPSET:
            raise FreeholdError("quantize_opset_old", path=called, opset=opset, least=LEAST_OPSET)
        tensors = stored_tensors(model, path)
        units = tuple(_units(model.graph, tensors))
        if not units:
            seen = [f"{operators[name]} {name}" for name in (*CANDIDATES, "Gather") if operators[name]]
            types = sorted({str(stored.dtype) for stored in tensors.values() if len(stored.shape) > 1})
            found = f"{', '.join(seen) or 'none of these nodes'}; weights of {', '.join(types) or 'no type'}"
            raise FreeholdError("quantize_nothing", path=called, found=found)
        return cls(path, model, tensors, units, called)

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return opset_of(self.model)

    @property
    def weight_bytes(self) -> int:
        """All weights together."""
        return sum(stored.nbytes for stored in self.tensors.values())


def _units(graph: onnx.GraphProto, tensors: dict[str, Stored]) -> Iterator[Unit]:
    """Weights that only nodes read whose quantized form is known."""
    readers = Counter(name for node in graph.node for name in names_read(node))
    readers.update(output.name for output in graph.output)
    uses: dict[str, list[Use]] = defaultdict(list)
    for place, node in enumerate(graph.node):
        use = _use(place, node, tensors)
        if use is not None:
            uses[use.weight.stored.name].append(use)
    for name, found in uses.items():
        if readers[name] == len(found):
            yield Unit(name, tuple(found))


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Every tensor that a node reads, in the graphs inside it too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs) if attribute.type in GRAPHS else ():
            yield from (output.name for output in inner.output)
            for each in inner.node:
                yield from names_read(each)


def _use(place: int, node: onnx.NodeProto, tensors: dict[str, Stored]) -> Use | None:
    if node.domain not in ("", "ai.onnx") or len(node.input) < 2 or node.op_type not in (*CANDIDATES, "Gather"):
        return None
    table = node.op_type == "Gather"
    states, weight = (node.input[1], node.input[0]) if table else (node.input[0], node.input[1])
    stored = tensors.get(weight)
    if stored is None or states in tensors or stored.dtype != np.float32 or len(stored.shape) < 2:
        return None
    options: dict[str, Any] = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    size = int(np.prod(stored.shape, dtype=np.int64))
    bias, made = node.input[2] if len(node.input) > 2 else "", node.output[0]
    if table:
        fits = options.get("axis", 0) == 0 and len(stored.shape) == 2 and size >= LEAST_TABLE
        return Use("lookup", place, states, made, StoredMatrix(stored)) if fits else None
    if size < LEAST_WEIGHT:
        return None
    if node.op_type == "Conv":
        return Use("convolution", place, states, made, StoredMatrix(stored), bias)
    plain = not options.get("transA") and options.get("alpha", 1.0) == 1.0 and options.get("beta", 1.0) == 1.0
    if len(stored.shape) != 2 or not plain:
        return None
    matrix = StoredMatrix(stored, turned=not options.get("transB"))
    added = tensors.get(bias)
    return Use("product", place, states, made, matrix, bias, added is not None and added.shape == matrix.shape[:1])


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the standard operators, 0 where none is named."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def opsets_with_ours(model: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The operator sets of a model, with the one of the runtime's own operators."""
    kept = [entry for entry in model.opset_import if entry.domain != MICROSOFT]
    return [*kept, helper.make_opsetid(MICROSOFT, 1)]
