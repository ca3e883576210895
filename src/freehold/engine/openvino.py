"""A graph in OpenVINO, for processors whose bf16 units ONNX Runtime does not use."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from freehold.artifact import TensorSpec
from freehold.engine.providers import Feeds, SessionOptions
from freehold.errors import FreeholdError

HINTS = {"fp32": "f32", "bf16": "bf16"}

DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    "string": "BYTES",
}


class OpenVinoSession:
    """OpenVINO behind the `Session` protocol: one stream a core, one infer request a calling thread."""

    def __init__(self, path: Path, options: SessionOptions, model: str) -> None:
        cores = str(len(os.sched_getaffinity(0)))
        properties = {
            "INFERENCE_PRECISION_HINT": HINTS[options.precision],
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": cores,
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(path), "CPU", properties)
        except RuntimeError as error:
            raise FreeholdError("graph_invalid", path=path, reason=str(error).strip().splitlines()[-1][:300]) from error
        granted = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if granted != HINTS[options.precision]:
            raise FreeholdError(
                "device_not_granted", model=model, asked=f"openvino {options.precision}", granted=f"openvino {granted}"
            )
        self.precision = options.precision
        self.inputs = tuple(_spec(port, path) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port, path) for port in self._compiled.outputs)
        self._place = {spec.name: place for place, spec in enumerate(self.outputs)}
        self._requests = threading.local()

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        """Outputs in the order of `outputs`. Raises FreeholdError `inference_failed` with the runtime's reason."""
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        try:
            request.infer(feeds, share_inputs=True)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise FreeholdError("inference_failed", reason=reason) from error
        # The request's buffers are written again by the next run of this thread: the answer needs its own.
        return [np.array(request.get_output_tensor(self._place[name]).data) for name in outputs]


def open_graph(path: Path, options: SessionOptions, model: str) -> OpenVinoSession:
    """The opener that `providers.RUNTIMES` names."""
    return OpenVinoSession(path, options, model)


def _spec(port: Any, path: Path) -> TensorSpec:
    type_name = port.element_type.get_type_name()
    datatype = DATATYPES.get(type_name)
    if datatype is None:
        raise FreeholdError("graph_type_unsupported", path=path, name=port.any_name, type=type_name)
    shape = tuple(dim.get_length() if dim.is_static else -1 for dim in port.partial_shape)
    # A tensor has many names after optimisation; that of its node is the graph's own.
    return TensorSpec(port.node.get_friendly_name().removesuffix("/sink_port_0"), datatype, shape)
