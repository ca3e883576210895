"""What is compiled: an artifact's graph in standard operators, and whether TensorRT can be given it at all."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, TensorProto, ValueInfoProto

from freehold.adapt import from_onnx
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.graph_contents import graphs_in, operator_of
from freehold.artifact import Artifact, Golden, load_goldens, write_manifest
from freehold.engine.opening import golden_folder
from freehold.errors import FreeholdError

Precision = Literal["fp32", "fp16", "bf16", "int8"]

DATATYPES: dict[int, str] = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.INT64: "INT64",
    TensorProto.INT32: "INT32",
    TensorProto.INT8: "INT8",
    TensorProto.UINT8: "UINT8",
    TensorProto.BOOL: "BOOL",
}
"""What TensorRT takes as an input or gives as an output."""

AT_RUN_TIME = frozenset({"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"})
"""Operators of graphs that quantize as they run, which TensorRT has no layers for: it wants QuantizeLinear and
DequantizeLinear with constant scales."""

ZERO_POINT = 2  # the place of this input of QuantizeLinear


@dataclass(frozen=True)
class Port:
    """An input or output of the graph. A free dimension is a text: its symbol, or one that only this place has."""

    name: str
    datatype: str
    dims: tuple[int | str, ...]

    @property
    def free(self) -> bool:
        """Whether any dimension is left to each request."""
        return any(isinstance(dim, str) for dim in self.dims)


@dataclass(frozen=True)
class Subject:
    """An artifact, the graph of it that TensorRT gets, and what records it answers to.

    `parent` is "" for an artifact that was only made here, of a bare .onnx file. `explicit`: the graph says itself
    where it is int8 (QuantizeLinear); `halves`: it has weights in fp16 or bf16.
    """

    artifact: Artifact
    graph: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    goldens: tuple[Golden, ...]
    parent: str
    explicit: bool
    halves: bool

    @property
    def data_files(self) -> list[str]:
        """Every file of the artifact, which the compiled one keeps, but what an earlier compilation wrote."""
        return [name for name in self.artifact.manifest.files if not name.startswith("model.tensorrt.")]


def open_subject(path: Path, name: str, work: Path, say: Say) -> Subject:
    """Read the artifact at `path`, or make one of the .onnx file there, in the scratch folder `work`.

    Raises FreeholdError `tensorrt_kind`, `tensorrt_operators`, `tensorrt_quantized`, `tensorrt_asymmetric`,
    `tensorrt_input_type`, `graph_invalid`, and as `Artifact.open`, `load_goldens` and the door of .onnx files.
    """
    artifact, parent = (_of_file(path, name, work, say), "") if path.is_file() else _of_folder(path)
    manifest = artifact.manifest
    if manifest.kind == "generate":
        raise FreeholdError("tensorrt_kind", path=path, kind=manifest.kind)
    graph = artifact.graph_for("portable")
    try:
        model = onnx.load(graph, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise FreeholdError("graph_invalid", path=graph, reason=str(error)) from error
    graphs = [*graphs_in(model.graph)]
    operators = {operator_of(node) for one in graphs for node in one.node}
    types = {tensor.data_type for one in graphs for tensor in one.initializer}
    _check_operators(path, operators)
    if any(_has_offsets(one) for one in graphs):
        raise FreeholdError("tensorrt_asymmetric", path=path)
    constants = {tensor.name for tensor in model.graph.initializer}
    return Subject(
        artifact=artifact,
        graph=graph,
        inputs=tuple(_port(value, path) for value in model.graph.input if value.name not in constants),
        outputs=tuple(_port(value, path) for value in model.graph.output),
        goldens=tuple(load_goldens(artifact.goldens)),
        parent=parent,
        explicit="QuantizeLinear" in operators,
        halves=bool(types & {TensorProto.FLOAT16, TensorProto.BFLOAT16}),
    )


def _of_folder(path: Path) -> tuple[Artifact, str]:
    artifact = Artifact.open(path)
    artifact.check_files()
    return artifact, artifact.digest


def _of_file(path: Path, name: str, work: Path, say: Say) -> Artifact:
    folder = work / "artifact"
    folder.mkdir()
    manifest = from_onnx.write(Conversion(path, name, work), folder, say)
    beside = golden_folder(path)
    if beside.is_dir():
        shutil.rmtree(folder / "goldens")
        shutil.copytree(beside, folder / "goldens")
    return write_manifest(folder, manifest)


def _check_operators(path: Path, operators: set[str]) -> None:
    changing = sorted(AT_RUN_TIME & operators)
    if changing:
        raise FreeholdError("tensorrt_quantized", path=path, operators=", ".join(changing))
    foreign = sorted(name for name in operators if "." in name and not name.startswith("ai.onnx."))
    if foreign:
        raise FreeholdError("tensorrt_operators", path=path, operators=", ".join(foreign))


def _has_offsets(graph: GraphProto) -> bool:
    """Whether anything is quantized around another point than zero: uint8, which is also ONNX's default."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        for attribute in node.attribute
        if node.op_type == "Constant" and attribute.HasField("t")
    }
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            typed = any(attribute.name == "output_dtype" for attribute in node.attribute)
            zero = constants.get(node.input[2]) if len(node.input) > ZERO_POINT else None
            if (zero is None and not typed) or (zero is not None and zero.data_type == TensorProto.UINT8):
                return True
    return False


def _port(value: ValueInfoProto, path: Path) -> Port:
    tensor = value.type.tensor_type
    datatype = DATATYPES.get(tensor.elem_type)
    if datatype is None:
        known = TensorProto.DataType.values()
        found = TensorProto.DataType.Name(tensor.elem_type) if tensor.elem_type in known else str(tensor.elem_type)
        raise FreeholdError("tensorrt_input_type", path=path, name=value.name, datatype=found)
    dims = tuple(
        int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or f"{value.name}.{axis}"
        for axis, dim in enumerate(tensor.shape.dim)
    )
    return Port(value.name, datatype, dims)
