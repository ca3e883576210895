"""Weights laid out once as this processor's kernels want them, in a file that all processes map.

ONNX Runtime otherwise holds the original and a private repacked copy: 903 MB for 256 MB of weights, against 337 MB
mapped, of which a second process shares all but about 60 MB (measured with 1.31.1).
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime

from freehold.artifact.external_data import weight_bytes
from freehold.engine.heap import give_back

log = logging.getLogger(__name__)

LEAST_BYTES = 8 << 20
"""Below this the copy would save nothing that anyone could measure."""
LOCK = ".lock"


def prepacked(graph: Path, state: Path | None, cpu_key: str, digest: str) -> Path:
    """The graph to load in place of `graph`: its prepacked copy, written now when there is none for this key.

    The key is processor, runtime version and digest; copies of other keys of the same digest are removed. Of several
    processes one writes, the others wait for it. Where a copy cannot be written (no state folder, full disk, a graph
    that the runtime cannot save) the original is returned.
    """
    if state is None or weight_bytes(graph) < LEAST_BYTES:
        return graph
    key = hashlib.sha256(f"{cpu_key}|{onnxruntime.__version__}".encode()).hexdigest()[:16]
    family = state / "prepacked" / digest.removeprefix("sha256:")[:32]
    copy = family / key / "model.onnx"
    if copy.is_file():
        return copy
    try:
        family.mkdir(parents=True, exist_ok=True)
        with _locked(family / LOCK):
            if not copy.is_file():
                _clear(family)
                _write(graph, copy.parent)
    except (OSError, RuntimeError) as error:
        log.warning("weights of %s are not shared between processes: %s", graph, error)
        return graph
    return copy


def discard(copy: Path) -> None:
    """Remove a copy that cannot be loaded; processes that map its files keep them until they end."""
    shutil.rmtree(copy.parent, ignore_errors=True)


def _clear(family: Path) -> None:
    """Remove copies of other keys, and what writers that were killed left. The lock must be held."""
    for entry in family.iterdir():
        if entry.name != LOCK:
            shutil.rmtree(entry, ignore_errors=True)


def _write(graph: Path, target: Path) -> None:
    """Write aside and rename, so that a copy that exists is whole. The lock must be held."""
    aside = target.with_name(f".{target.name}.writing")
    aside.mkdir()
    try:
        need = 2 * weight_bytes(graph)
        if shutil.disk_usage(aside).free < need:
            raise OSError(errno.ENOSPC, f"{need >> 20} MB are needed in {aside.parent}")
        _save(graph, aside)
        give_back()
        for file in aside.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _save(graph: Path, folder: Path) -> None:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    settings.optimized_model_filepath = str(folder / "model.onnx")
    for entry, value in (
        ("session.optimized_model_external_initializers_file_name", "model.onnx.data"),
        ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
        ("session.save_external_prepacked_constant_initializers", "1"),
    ):
        settings.add_session_config_entry(entry, value)
    try:
        onnxruntime.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        # The runtime's errors share no base class; the original graph is then loaded and tells what is wrong with it.
        raise RuntimeError(str(error).strip().partition("\n")[0]) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops with the process, so that a killed writer blocks nobody."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
