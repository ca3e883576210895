"""What an ONNX graph takes in memory beside its file: its weights by what uses them, and what one run of it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import helper
from onnx.shape_inference import InferenceError

LOOKUPS = frozenset({"Gather", "GatherBlockQuantized"})
"""Their first input is read in place, row by row; weights of other operators are packed for their kernels."""
BLOCKWISE = "MatMulNBits"
PRODUCTS = frozenset({"Conv", "Gemm", "MatMul", "MatMulInteger", "MatMulIntegerToFloat", BLOCKWISE})
SCALES = 2
"""Which input of such a product they are."""
LEAST_TABLE = 1 << 20
"""Bytes below which a weight is no table: constants are looked up in, too."""
FREE = 8
"""What a free dimension beside the batch is taken for, as in the engine's own probes."""
FLOAT = 4


@dataclass(frozen=True)
class GraphWeights:
    """Bytes of weights: `packed` by kernels, `tables` that are mapped as they lie, by their place in the file.

    `hidden` is the width of the widest table's rows, `height` the number of rows of the highest one, `widest` the width
    of the widest product, tables' heights aside.
    """

    packed: int
    tables: Mapping[tuple[str, int], int]
    hidden: int
    height: int
    widest: int


def graph_weights(graph: Path) -> GraphWeights:
    """Read a graph without its external data. Raises OSError, and ValueError where it is no ONNX file."""
    model = _load(graph).graph
    weights = {tensor.name: tensor for tensor in model.initializer}
    tables: dict[tuple[str, int], int] = {}
    packed: dict[str, int] = {}
    hidden, heights, widths = 0, set[int](), set[int]()
    for node in model.node:
        for position, name in enumerate(node.input):
            tensor = weights.get(name)
            if tensor is None:
                continue
            size = _bytes(tensor)
            if node.op_type in LOOKUPS and position == 0 and size > LEAST_TABLE:
                tables[_place(tensor)] = size
                heights.add(tensor.dims[0])
                hidden = max(hidden, tensor.dims[-1] * _values_each(node, tensor))
                continue
            # Beside the scale of a block, its kernels keep the sum of each block.
            packed[name] = 2 * size if node.op_type == BLOCKWISE and position == SCALES else size
            if node.op_type in PRODUCTS:
                widths.update(tensor.dims[:2])
    height, widest = max(heights, default=0), max(widths - heights, default=0)
    return GraphWeights(sum(packed.values()), tables, hidden, height, widest)


def activation_bytes(graph: Path, rows: int, shape: Sequence[int] | None = None) -> int:
    """The most that one run of `rows` rows holds at a time, each tensor from the node that makes it to its last reader.

    `shape` is the configuration's `input_shape`. Tensors whose shapes cannot be inferred count nothing; so do those
    inside of loops and branches. Raises OSError, and ValueError where it is no ONNX file.
    """
    model = _load(graph)
    for given in model.graph.input:
        _fix(given.type.tensor_type, rows, shape)
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except InferenceError as error:
        raise ValueError(str(error)) from error
    sizes = {info.name: size for info in _values(model.graph) if (size := _run_bytes(info.type.tensor_type, rows))}
    last = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    kept = {info.name for info in model.graph.output}
    held = sum(sizes.get(info.name, 0) for info in model.graph.input)
    most = held
    for index, node in enumerate(model.graph.node):
        held += sum(sizes.get(name, 0) for name in node.output)
        most = max(most, held)
        held -= sum(sizes.get(name, 0) for name in set(node.input) if last[name] == index and name not in kept)
    return most


def _load(graph: Path) -> onnx.ModelProto:
    try:
        return onnx.load(graph, load_external_data=False)
    except DecodeError as error:
        raise ValueError(f"{graph.name} is no ONNX file") from error


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in graph.initializer}
    yield from (info for info in (*graph.input, *graph.value_info, *graph.output) if info.name not in weights)


def _fix(tensor: onnx.TypeProto.Tensor, rows: int, shape: Sequence[int] | None) -> None:
    """Give the free dimensions of an input a size."""
    for index, dimension in enumerate(tensor.shape.dim):
        if not dimension.HasField("dim_value"):
            said = shape[index] if shape is not None and index < len(shape) else -1
            dimension.dim_value = rows if index == 0 else said if said > 0 else FREE


def _run_bytes(tensor: onnx.TypeProto.Tensor, rows: int) -> int:
    if not tensor.HasField("shape"):
        return 0
    sizes = [each.dim_value if each.HasField("dim_value") else FREE for each in tensor.shape.dim]
    return int(prod(sizes) * _item(tensor.elem_type))


def _item(datatype: int) -> float:
    """Bytes of one element; text counts as a pointer."""
    if datatype in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
        return 0.5
    return float(helper.tensor_dtype_to_np_dtype(datatype).itemsize)


def _bytes(tensor: onnx.TensorProto) -> int:
    return int(prod(tensor.dims) * _item(tensor.data_type))


def _place(tensor: onnx.TensorProto) -> tuple[str, int]:
    """What is the same for one weight in several graphs over one data file."""
    where = {entry.key: entry.value for entry in tensor.external_data}
    return (where["location"], int(where.get("offset", 0))) if "location" in where else (tensor.name, -1)


def _values_each(node: onnx.NodeProto, tensor: onnx.TensorProto) -> int:
    """Values in one element of a table: two codes of four bits lie in a byte."""
    bits = next((each.i for each in node.attribute if each.name == "bits"), 0)
    return 8 // bits if bits and tensor.data_type == onnx.TensorProto.UINT8 else 1
