"""Whether an .onnx file is what ONNX asks of a model, and keeps to its own folder."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from freehold.errors import FreeholdError


def checked(path: Path) -> onnx.ModelProto:
    """The graph without its external data, after ONNX's own checker and shape inference have read it.

    Raises FreeholdError `onnx_invalid`, `onnx_data_missing`, `onnx_data_outside`.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise FreeholdError("onnx_invalid", path=path, reason="it is no ONNX protobuf") from error
    folder = path.parent.resolve()
    for location in locations(model):
        target = path.parent / location
        if not target.resolve().is_relative_to(folder):
            raise FreeholdError("onnx_data_outside", path=path, location=location)
        if not target.is_file():
            raise FreeholdError("onnx_data_missing", path=path, location=location)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise FreeholdError("onnx_invalid", path=path, reason=" ".join(str(error).split())[:300]) from error
    return model


def locations(model: onnx.ModelProto) -> list[str]:
    """The files, relative to the graph's, in which its weights lie."""
    tensors = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    for node in model.graph.node:
        tensors += [each.t for each in node.attribute if each.HasField("t") and uses_external_data(each.t)]
    return sorted({ExternalDataInfo(tensor).location for tensor in tensors})


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the graph was written for, 0 where it says none."""
    return next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
