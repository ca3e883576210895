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

KERNELS_KEPT = 64
"""Kernels that OpenVINO keeps by shape. Texts have thousands of shapes: with its own 5,000 MiniLM in bf16 took 1,379 MB
after 1,000 packed batches of two threads and grew on, with 64 it stays at 476 MB, at the same CPU time.
"""

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
}


class OpenVinoSession:
    """OpenVINO behind the `Session` protocol: one stream a core, one infer request a calling thread."""

    def __init__(self, path: Path, options: SessionOptions, model: str) -> None:
        cores = str(len(os.sched_getaffinity(0)))
        properties = {
            "INFERENCE_PRECISION_HINT": HINTS[options.precision],
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": cores,
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS_KEPT,
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(path), "CPU", properties)
        except RuntimeError as error:
            raise FreeholdError("graph_invalid", path=path, reason=_last_line(error)) from error
        granted = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if granted != HINTS[options.precision]:
            raise FreeholdError(
                "device_not_granted", model=model, asked=f"openvino {options.precision}", granted=f"openvino {granted}"
            )
        self.precision = options.precision
        self.inputs = tuple(_spec(port, path) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port, path) for port in self._compiled.outputs)
        self._place = {spec.name: place for place, spec in enumerate(self.outputs)}
        self._dtypes = {
            spec.name: port.element_type.to_dtype()
            for spec, port in zip(self.inputs, self._compiled.inputs, strict=True)
        }
        self._requests = threading.local()

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        """Outputs in the order of `outputs`. Raises FreeholdError `inference_failed` with the runtime's reason."""
        self._check(feeds)
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        try:
            request.infer(feeds, share_inputs=True)
        except RuntimeError as error:
            raise FreeholdError("inference_failed", reason=_last_line(error)) from error
        # The request's buffers are written again by the next run of this thread: the answer needs its own.
        return [np.array(request.get_output_tensor(self._place[name]).data) for name in outputs]

    def _check(self, feeds: Feeds) -> None:
        """OpenVINO would compute a missing input from the last request's values, and cast another type in silence."""
        if feeds.keys() != self._dtypes.keys():
            reason = f"the inputs are {', '.join(self._dtypes)}, and {', '.join(feeds) or 'none'} came"
            raise FreeholdError("inference_failed", reason=reason)
        for name, array in feeds.items():
            if array.dtype != self._dtypes[name]:
                reason = f"{name} is {self._dtypes[name]}, and {array.dtype} came"
                raise FreeholdError("inference_failed", reason=reason)


def open_graph(path: Path, options: SessionOptions, model: str) -> OpenVinoSession:
    """The opener that `providers.RUNTIMES` names."""
    return OpenVinoSession(path, options, model)


def _last_line(error: Exception) -> str:
    """The runtime's message without the chain of checks before it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]


def _spec(port: Any, path: Path) -> TensorSpec:
    type_name = port.element_type.get_type_name()
    datatype = DATATYPES.get(type_name)
    if datatype is None:
        # Strings among them: their tensors abort the process (2026.4.1).
        raise FreeholdError("device_type_unsupported", path=path, name=port.any_name, type=type_name, device="openvino")
    shape = tuple(dim.get_length() if dim.is_static else -1 for dim in port.partial_shape)
    # A tensor has many names after optimisation; that of its node is the graph's own.
    return TensorSpec(port.node.get_friendly_name().removesuffix("/sink_port_0"), datatype, shape)
