"""The one table of runtimes: which device needs which package, which session class, which execution provider."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError

Feeds = dict[str, np.ndarray[Any, Any]]


class Session(Protocol):
    """A loaded graph. `run` is re-entrant and releases the interpreter lock while it computes."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray[Any, Any]]:
        """Outputs in the order of `outputs`. Raises FreeholdError `inference_failed`."""
        ...


@dataclass(frozen=True)
class SessionOptions:
    """How a graph is opened. `state`, `cpu_key` and `digest` say where prepacked weights lie and what they are of.

    `threads` compute one run together; with 1 the calling thread computes alone, and callers are the cores.
    """

    device: str = "cpu"
    precision: str = "fp32"
    state: Path | None = None
    cpu_key: str = ""
    digest: str = ""
    threads: int = 1


@dataclass(frozen=True)
class Runtime:
    """One row: the module of this room to import, the package that it needs, and the pip name that brings it."""

    module: str
    package: str
    install: str
    precisions: tuple[str, ...]


RUNTIMES: dict[str, Runtime] = {
    "cpu": Runtime("freehold.engine.session", "onnxruntime", "freehold", ("fp32",)),
    "cuda": Runtime("freehold.engine.session", "onnxruntime", "onnxruntime-gpu", ("fp32",)),
    "tensorrt": Runtime("freehold.engine.session", "onnxruntime", "onnxruntime-gpu", ("fp32",)),
    "openvino": Runtime("freehold.engine.openvino", "openvino", "freehold[openvino]", ("fp32", "bf16")),
}


def open_session(graph: Path, options: SessionOptions, model: str) -> Session:
    """Open `graph` on `options.device`.

    Raises FreeholdError `runtime_missing`, `precision_unavailable`, `device_not_granted`, `graph_missing` or
    `graph_invalid`.
    """
    runtime = RUNTIMES[options.device]
    if importlib.util.find_spec(runtime.package) is None:
        raise FreeholdError("runtime_missing", what=f"device: {options.device}", package=runtime.install)
    if options.precision not in runtime.precisions:
        raise FreeholdError(
            "precision_unavailable",
            precision=options.precision,
            device=options.device,
            reason=f"this runtime computes in {', '.join(runtime.precisions)}",
        )
    if not graph.is_file():
        raise FreeholdError("graph_missing", path=graph)
    opener: Callable[[Path, SessionOptions, str], Session] = importlib.import_module(runtime.module).open_graph
    return opener(graph, options, model)


def installed(device: str) -> bool:
    """True when the runtime of `device` can be imported."""
    return importlib.util.find_spec(RUNTIMES[device].package) is not None


def runtime_version(device: str) -> tuple[str, str]:
    """Package and version of the runtime of `device`, for cache keys."""
    package = RUNTIMES[device].package
    return package, importlib.import_module(package).__version__
