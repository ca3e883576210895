"""Whether an .onnx file is what ONNX asks of a model, and keeps to its own folder."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from freehold.errors import FreeholdError


def checked(path: Path) -> onnx.ModelProto:
    """The graph without its external data, after ONNX's own checker and shape inference have read it.

    Raises FreeholdError `onnx_invalid`, `onnx_data_missing`, `onnx_data_outside`.
    """
    model = _read(path)
    _check_locations(path, model)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise FreeholdError("onnx_invalid", path=path, reason=" ".join(str(error).split())[:300]) from error
    return model


def check_locations(path: Path) -> None:
    """Of a graph that is sound and somebody else's: that its weights lie beside it.

    Raises FreeholdError `onnx_invalid`, `onnx_data_missing`, `onnx_data_outside`.
    """
    _check_locations(path, _read(path))


def locations(model: onnx.ModelProto) -> list[str]:
    """The files, relative to the graph's, in which its weights lie, those of inner graphs and functions too."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    tensors = [*_initializers(model.graph), *(tensor for node in nodes for tensor in _tensors(node))]
    return sorted({ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)})


def _initializers(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    sparse = [part for each in graph.sparse_initializer for part in (each.values, each.indices)]
    return [*graph.initializer, *sparse]


def _tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    """Every tensor among a node's attributes, however deep."""
    for each in node.attribute:
        yield from (each.t, *each.tensors)
        for inner in (each.g, *each.graphs):
            yield from _initializers(inner)
            for one in inner.node:
                yield from _tensors(one)


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise FreeholdError("onnx_invalid", path=path, reason="it is no ONNX protobuf") from error
    except OSError as error:
        raise FreeholdError("onnx_invalid", path=path, reason=error.strerror or str(error)) from error


def _check_locations(path: Path, model: onnx.ModelProto) -> None:
    folder = path.parent.resolve()
    for location in locations(model):
        target = path.parent / location
        if not target.resolve().is_relative_to(folder):
            raise FreeholdError("onnx_data_outside", path=path, location=location)
        if not target.is_file():
            raise FreeholdError("onnx_data_missing", path=path, location=location)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the graph was written for, 0 where it says none."""
    return next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
