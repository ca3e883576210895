"""The models of the suite as ONNX graphs: each gives back what it is given."""

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx.parser
from onnx import TensorProto, helper

TYPES: dict[str, tuple[int, str]] = {
    "BOOL": (TensorProto.BOOL, "?"),
    "UINT8": (TensorProto.UINT8, "<u1"),
    "UINT16": (TensorProto.UINT16, "<u2"),
    "UINT32": (TensorProto.UINT32, "<u4"),
    "UINT64": (TensorProto.UINT64, "<u8"),
    "INT8": (TensorProto.INT8, "<i1"),
    "INT16": (TensorProto.INT16, "<i2"),
    "INT32": (TensorProto.INT32, "<i4"),
    "INT64": (TensorProto.INT64, "<i8"),
    "FP16": (TensorProto.FLOAT16, "<f2"),
    "BF16": (TensorProto.BFLOAT16, "<u2"),
    "FP32": (TensorProto.FLOAT, "<f4"),
    "FP64": (TensorProto.DOUBLE, "<f8"),
    "BYTES": (TensorProto.STRING, "O"),
}
"""For each datatype ONNX's number of it, and numpy's name, which for BF16 is that of its bits."""

_SLOW = """<ir_version: 8, opset_import: ["": 17]>
slow (int64[1] steps, float[1, 65536] x) => (float[1, 65536] y) {
    y = Loop<body = turn (int64 i, bool c, float[1, 65536] a) => (bool d, float[1, 65536] b) {
        d = Identity(c)
        b = Tanh(a)
    }>(steps, , x)
}"""

Dimension = str | int
Port = tuple[str, int, Sequence[Dimension]]


def write(path: Path, inputs: Sequence[Port], outputs: Sequence[Port], nodes: Sequence[tuple[str, str, str]]) -> Path:
    """A graph of these inputs, outputs and nodes (operator, inputs, outputs: names apart by blanks)."""
    graph = helper.make_graph(
        [helper.make_node(operator, taken.split(), given.split()) for operator, taken, given in nodes],
        path.stem,
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write_all(folder: Path) -> dict[str, Path]:
    """`echo_X` of each datatype: x [n, m] -> y, the same. `scalar`: x [] -> y []. `row`, `Neg`, `Abs`: x [n, 3] -> y
    [n, 3]. `pair`: a, b [n, 4] -> sum, difference [n, 4]. `slow`: steps [1], x [1, 65536] -> y, as slow as `steps`
    says. All but the first are FP32."""
    made = {}
    for datatype, (number, _) in TYPES.items():
        name = f"echo_{datatype.lower()}"
        ports: list[Port] = [(port, number, ("n", "m")) for port in ("x", "y")]
        made[name] = write(folder / f"{name}.onnx", ports[:1], ports[1:], [("Identity", "x", "y")])
    shapes: dict[str, Sequence[Dimension]] = {"scalar": (), "row": ("n", 3)}
    for name, shape in shapes.items():
        ports = [(port, TensorProto.FLOAT, shape) for port in ("x", "y")]
        made[name] = write(folder / f"{name}.onnx", ports[:1], ports[1:], [("Identity", "x", "y")])
    ports = [(port, TensorProto.FLOAT, ("n", 3)) for port in ("x", "y")]
    for operator in ("Neg", "Abs"):
        made[operator] = write(folder / f"{operator}.onnx", ports[:1], ports[1:], [(operator, "x", "y")])
    fours: list[Port] = [(port, TensorProto.FLOAT, ("n", 4)) for port in ("a", "b", "sum", "difference")]
    nodes = [("Add", "a b", "sum"), ("Sub", "a b", "difference")]
    made["pair"] = write(folder / "pair.onnx", fours[:2], fours[2:], nodes)
    made["slow"] = folder / "slow.onnx"
    onnx.save(onnx.parser.parse_model(_SLOW), made["slow"])
    return made
