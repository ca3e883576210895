"""A graph opened so that every tensor inside it can be read."""

import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from freehold.artifact import TensorSpec
from freehold.artifact.artifact import link_or_copy
from freehold.artifact.external_data import external_data
from freehold.artifact.golden import DATATYPES
from freehold.engine.base import Array
from freehold.engine.providers import Feeds, SessionOptions, open_session
from freehold.engine.session import LOAD_ERRORS, PROVIDER_OPTIONS, PROVIDERS, RUN_ERRORS
from freehold.errors import FreeholdError

FLOATS = frozenset(
    {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
)
NO_SPINNING = "session.intra_op.allow_spinning"
DATA_FOLDER = "session.model_external_initializers_file_folder_path"


@dataclass(frozen=True)
class Node:
    """One node of the outermost graph. `weights` are those of its inputs that lie in the file, `metadata` is what an
    exporter noted beside it."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[str, ...]
    metadata: Mapping[str, str]


class ExposedGraph:
    """An ONNX graph whose inner tensors are outputs too. Branches and loop bodies stay closed: their node is seen.

    Weights are read where they lie. Nothing is fused on a processor, since what is fused away could not be read; the
    other devices fuse what they can around the tensors that they have to hand out.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Raises FreeholdError `graph_invalid`, `device_not_granted`, and for OpenVINO as `open_session`."""
        self.path = path
        model = _read(path)
        graph = model.graph
        self.weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self.parameters = frozenset(
            tensor.name for tensor in graph.initializer if tensor.dims and tensor.data_type in FLOATS
        )
        self.inputs = _fed(graph)
        self.outputs = tuple(value.name for value in graph.output)
        self.nodes = tuple(_node(node, place, self.weights) for place, node in enumerate(graph.node))
        known = set(self.outputs)
        self.inner = tuple(name for name in _computed(self.nodes, self.inputs) if name not in known)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.inner)
        self._run = _on_runtime(model, path, device) if device in PROVIDERS else _on_other(model, path, device)

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Every output and every inner tensor, by name. Raises FreeholdError `inference_failed`."""
        names = [*self.outputs, *self.inner]
        values = self._run(names, feeds)
        return {name: value for name, value in zip(names, values, strict=True) if isinstance(value, np.ndarray)}


def graph_inputs(path: Path) -> tuple[TensorSpec, ...]:
    """What the graph at `path` is fed, without opening a session. Raises FreeholdError `graph_invalid`."""
    return _fed(_read(path).graph)


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except (OSError, ValueError, DecodeError) as error:
        raise FreeholdError("graph_invalid", path=path, reason=str(error)) from error


def _node(node: onnx.NodeProto, place: int, weights: Collection[str]) -> Node:
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    name = node.name or f"{node.op_type} #{place}"
    read = tuple(each for each in node.input if each in weights)
    return Node(node.op_type, name, tuple(node.input), tuple(filter(None, node.output)), read, metadata)


def _fed(graph: onnx.GraphProto) -> tuple[TensorSpec, ...]:
    """Inputs that are no weights, which old graphs list as inputs too."""
    weights = {tensor.name for tensor in graph.initializer}
    return tuple(_spec(value) for value in graph.input if value.name not in weights)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return TensorSpec(value.name, DATATYPES.get(np.dtype(dtype), "BYTES"), dims)


def _computed(nodes: tuple[Node, ...], inputs: tuple[TensorSpec, ...]) -> list[str]:
    """What depends on the inputs, in the order of the nodes."""
    reached = {spec.name for spec in inputs}
    found: list[str] = []
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            found += node.outputs
    return found


def _on_runtime(model: onnx.ModelProto, path: Path, device: str) -> Any:
    asked, there = PROVIDERS[device], onnxruntime.get_available_providers()
    if asked not in there:
        raise FreeholdError("device_not_granted", model=path.stem, asked=device, granted=", ".join(there))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry(NO_SPINNING, "0")
    options.add_session_config_entry(DATA_FOLDER, str(path.parent.resolve()))
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[(asked, PROVIDER_OPTIONS.get(asked, {}))], enable_fallback=0
        )
    except LOAD_ERRORS as error:
        raise FreeholdError("graph_invalid", path=path, reason=" ".join(str(error).split())[:300]) from error
    if session.get_providers()[0] != asked:
        raise FreeholdError("device_not_granted", model=path.stem, asked=device, granted=session.get_providers()[0])

    def run(names: list[str], feeds: Feeds) -> list[Any]:
        try:
            return list(session.run(names, feeds))
        except (*RUN_ERRORS, ValueError) as error:  # the package itself raises the second, for names
            raise FreeholdError("inference_failed", reason=" ".join(str(error).split())[:300]) from error

    return run


def _on_other(model: onnx.ModelProto, path: Path, device: str) -> Any:
    """Through a file of its own beside the weights: such runtimes read no weights of a graph that is in memory."""
    with tempfile.TemporaryDirectory(prefix="freehold-trace-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(model.SerializeToString())
        for file in external_data(path):
            link_or_copy(file.resolve(), copy.parent / file.name)  # such runtimes refuse symbolic links
        return open_session(copy, SessionOptions(device), path.stem).run
