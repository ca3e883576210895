"""torch.onnx.export as it is used here: names for inputs, outputs and free dimensions, weights beside the graph."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript
import torch

from freehold.adapt.children.report import ChildError, described

OPSET = 20
# Paths of the machine that exported, and torch's own bookkeeping: half of a small graph's file.
DROPPED = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node", "pkg.torch.onnx.input_names")


def export(
    module: torch.nn.Module,
    sample: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    opset: int | None,
    path: Path,
) -> dict[str, Any]:
    """Write `path` and, beside it, its weights; "inputs", "outputs", "exporter", "opset" and "versions" of a result.

    `sample` holds the keyword arguments of `module.forward`, `axes` the names of their free dimensions. A sample
    dimension of 1 may be taken for a constant, and an all-ones mask for no mask. Raises ChildError `export_refused`.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                kwargs=dict(sample),
                dynamo=True,
                opset_version=opset or OPSET,
                input_names=list(sample),
                output_names=list(outputs),
                dynamic_shapes={name: dict(axes.get(name, {})) for name in sample},
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise ChildError("export_refused", error=reason(error), where="-") from error
    assert program is not None
    for node in program.model.graph.all_nodes():
        for key in DROPPED:
            node.metadata_props.pop(key, None)
    program.save(path, external_data=True)
    return {
        "exporter": "torch.onnx dynamo",
        "opset": program.model.opset_imports[""],
        "versions": {"torch": torch.__version__, "onnx": onnx.__version__, "onnxscript": onnxscript.__version__},
        "inputs": [_described(value) for value in program.model.graph.inputs],
        "outputs": [_described(value) for value in program.model.graph.outputs],
    }


def reason(error: BaseException) -> str:
    """What the exporter's page of text is about: the first line of the first cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _described(value: Any) -> dict[str, Any]:
    """A free dimension is its name."""
    shape = [each if isinstance(each, int) else str(each) for each in value.shape]
    return described(value.name, np.empty(0, value.dtype.numpy()), shape)
