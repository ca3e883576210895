"""A graph in ONNX Runtime: one re-entrant session that computes on the calling thread."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from freehold.artifact import TensorSpec
from freehold.artifact.artifact import TENSORRT
from freehold.engine.brain_float import run_bound
from freehold.engine.prepacked import discard, prepacked
from freehold.engine.providers import Feeds, SessionOptions
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

SPIN_US = "200"
"""How long a thread looks for the next operator before it sleeps; between operators of one step it waits far less."""
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

PROVIDER_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}
"""fp32 is fp32: with TF32, CUDA's default, outputs part from the goldens by up to 1.4e-4 (measured on an H100)."""

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

RUN_ERRORS = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.RuntimeException,
    runtime_errors.NotImplemented,
    runtime_errors.EPFail,
)
LOAD_ERRORS = (
    *RUN_ERRORS,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.ModelLoaded,
    runtime_errors.NoModel,
    runtime_errors.NoSuchFile,
)


NOISE = (
    re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"/onnxruntime_src/\S+:\d+ .*?\)(?: const)?(?: \[with [^\]]*\])? (?=[A-Z])"),
    re.compile(r"\w+\.(?:cc|h):\d+ \w+ "),
    re.compile(r" ; GPU=.*"),
)


class OnnxSession:
    """ONNX Runtime behind the `Session` protocol.

    One thread inside (the caller's), so that K callers are K cores without spinning, and one copy of the weights.
    """

    def __init__(self, path: Path, options: SessionOptions, model: str) -> None:
        self._session = open_runtime(path, options, model)
        self._run = self._session._sess.run  # noqa: SLF001 - its wrapper checks names again: 0.6 of 4.6 us
        self.precision = options.precision
        self.inputs = tuple(_spec(node, path) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node, path) for node in self._session.get_outputs())
        specs = (*self.inputs, *self.outputs)
        self._brain_floats = frozenset(spec.name for spec in specs if spec.datatype == "BF16")
        self.symbols: dict[str, tuple[str | int | None, ...]] = {
            node.name: tuple(node.shape) for node in (*self._session.get_inputs(), *self._session.get_outputs())
        }

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        """Outputs in the order of `outputs`. Raises FreeholdError `inference_failed` with the runtime's reason."""
        try:
            if self._brain_floats:
                return run_bound(self._session, outputs, feeds, self._brain_floats)
            return list(self._run(outputs, feeds, None))
        except RUN_ERRORS as error:
            raise FreeholdError("inference_failed", reason=_reason(error)) from error


@contextmanager
def running() -> Iterator[None]:
    """Tell what a run with bound memory raises as FreeholdError `inference_failed`, with its reason."""
    try:
        yield
    except RuntimeError as error:  # such runs lose the runtime's own types of errors
        raise FreeholdError("inference_failed", reason=_reason(error)) from error


def open_graph(path: Path, options: SessionOptions, model: str) -> OnnxSession:
    """The opener that `providers.RUNTIMES` names."""
    return OnnxSession(path, options, model)


def open_runtime(path: Path, options: SessionOptions, model: str) -> onnxruntime.InferenceSession:
    """The runtime's own session, for engines that bind memory themselves.

    Raises FreeholdError `device_not_granted`, `graph_invalid`, `tensorrt_not_compiled` or `tensorrt_engine_refused`.
    """
    asked = PROVIDERS[options.device]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    # A thread that goes on spinning after its step takes a core from the next graph's step and from the event loop:
    # with the runtime's own duration a decode step took 40 ms after a slice of a prompt, 22 ms alone.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    settings.log_severity_level = 3
    # Patterns are kept per shape and texts have thousands of shapes: memory would grow with them. The arena stays on:
    # after 1,000 packed batches of MiniLM on two threads 166 MB and 159 us of CPU a token, against 176 MB and 166 us.
    settings.enable_mem_pattern = False
    if options.device == "tensorrt":
        if path.name != TENSORRT:
            raise FreeholdError("tensorrt_not_compiled", model=model, path=path)
        # The engine computes the whole graph, or nothing does: no node may go to another provider in silence.
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if asked not in onnxruntime.get_available_providers():
        granted = ", ".join(onnxruntime.get_available_providers())
        raise FreeholdError("device_not_granted", model=model, asked=options.device, granted=granted)
    copy = path
    if options.device == "cpu":
        copy = prepacked(path, options.state, options.cpu_key, options.digest)
    try:
        session = _session(copy, settings, options.device, model)
    except FreeholdError as error:
        if copy == path:
            raise
        log.warning("a damaged copy of %s was removed, the next start writes it again: %s", path, error.cause)
        discard(copy)
        session = _session(path, settings, options.device, model)
    granted_first = session.get_providers()[0]
    if granted_first != asked:
        raise FreeholdError("device_not_granted", model=model, asked=options.device, granted=granted_first)
    return session


def _session(path: Path, settings: onnxruntime.SessionOptions, device: str, model: str) -> onnxruntime.InferenceSession:
    provider = PROVIDERS[device]
    try:
        # Without `enable_fallback=0` the package prints to standard output and tries another provider by itself.
        providers = [(provider, PROVIDER_OPTIONS.get(provider, {}))]
        return onnxruntime.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)
    except LOAD_ERRORS as error:
        code = "tensorrt_engine_refused" if device == "tensorrt" else "graph_invalid"
        raise FreeholdError(code, path=path, reason=_reason(error)) from error
    except (RuntimeError, ValueError) as error:  # what a provider raises that finds no device or no driver
        reason = f"none: {_reason(error)}"
        raise FreeholdError("device_not_granted", model=model, asked=device, granted=reason) from error


def _spec(node: onnxruntime.NodeArg, path: Path) -> TensorSpec:
    datatype = DATATYPES.get(node.type)
    if datatype is None:
        raise FreeholdError("graph_type_unsupported", path=path, name=node.name, type=node.type)
    return TensorSpec(node.name, datatype, tuple(dim if isinstance(dim, int) else -1 for dim in node.shape))


def _reason(error: Exception) -> str:
    """The runtime's message in one line, without its own code, source paths and signatures."""
    text = " ".join(str(error).split())
    for noise in NOISE:
        text = noise.sub("", text)
    return text.rstrip(". ")[:300] or type(error).__name__
