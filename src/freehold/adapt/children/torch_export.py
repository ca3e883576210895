"""torch.onnx.export as it is used here: names for inputs, outputs and free dimensions, no paths of this machine."""

import logging
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript
import torch

from freehold.adapt.children.export_refusal import refusal
from freehold.adapt.children.report import described

OPSET = 20
# Paths of the machine that exported, and the exporter's own bookkeeping: half of a small graph's file.
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
    dimension of 1 may be taken for a constant, and an all-ones mask for no mask. Raises ChildError as `refusal`.
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
        traceback.print_exc()
        raise refusal(error) from error
    assert program is not None
    graph = program.model.graph
    strip(graph)
    program.save(path, external_data=True)
    return {
        "exporter": "torch.onnx dynamo",
        "opset": program.model.opset_imports[""],
        "versions": versions(),
        "inputs": [described_value(value) for value in graph.inputs],
        "outputs": [described_value(value) for value in graph.outputs],
    }


def strip(graph: Any) -> None:
    """Take from every node of an exported graph what nobody reads and what names places of this machine."""
    for node in graph.all_nodes():
        for key in DROPPED:
            node.metadata_props.pop(key, None)


def described_value(value: Any) -> dict[str, Any]:
    """One input or output of an exported graph, as a result has it: a free dimension is its name."""
    shape = [size if isinstance(size, int) else str(size) for size in value.shape]
    return described(value.name, np.empty(0, value.dtype.numpy()), shape)


def versions() -> dict[str, str]:
    """Of the packages that export."""
    return {"torch": str(torch.__version__), "onnx": onnx.__version__, "onnxscript": onnxscript.__version__}
