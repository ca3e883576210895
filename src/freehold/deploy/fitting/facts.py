"""The facts of a model's files that a deployment is made of, where the files are here."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from freehold.artifact.external_data import external_data
from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import read_model
from freehold.deploy.fitting.needs import MIB, PROCESS_BYTES, container_load, kv_bytes, need
from freehold.deploy.services.units import Facts
from freehold.errors import FreeholdError

CORES = 8
"""Threads that a service is counted with where neither `resources.cpu` nor a machine says."""
FILES = "files:"
"""What a fingerprint begins with."""
SMALL = 64 << 10
"""Bytes up to which a file is read to know it again: settings and manifests; of weights the clock must do."""


def facts_of(model: ModelConfig, path: Path | None, cores: int = CORES) -> Facts:
    """What is known of `model`, whose file or folder is at `path`; None: not here, or at an upstream.

    `memory_mb` is that of a process of ours alone with the model on `cores`, `kv_mb` its part for keys and values. Of a
    model in vLLM, or on a card, memory is the card's: what a server takes of the machine beside it is not computed.

    Of a model that another server runs by a command of its own, only size and fingerprint: its files may be of any
    form. Raises FreeholdError `fit_unreadable`, and `artifact_invalid` or `artifact_corrupt` of an artifact.
    """
    if path is None or model.hosting == "upstream":
        return Facts()
    if model.command:
        return Facts(bytes=size_of(path), fingerprint=fingerprint(path))
    files = read_model(path, model.kind)
    known = Facts(
        files.bytes,
        files.digest,
        architecture=files.architecture,
        fingerprint="" if files.digest else fingerprint(path),
    )
    if model.engine == "vllm" or model.device in ("cuda", "tensorrt"):
        return known
    load = container_load(model, files)
    memory_mb = _mebibytes(PROCESS_BYTES + need(model, files, load, cores).sum)
    if files.kind != "generate" or files.shape is None:
        return replace(known, memory_mb=memory_mb, cores=cores)
    return replace(known, memory_mb=memory_mb, kv_mb=_mebibytes(kv_bytes(files.shape, load)))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in _files(path))


def fingerprint(path: Path) -> str:
    """`files:` and sixteen hex digits that change with a model's files: an `.onnx` file with its external data, any
    other file, or a folder without what is hidden in it.

    Names and sizes count, of small files their bytes, of others when they were written: a folder of 60 GB takes no
    longer than its list of files. Raises FreeholdError `fit_unreadable`.
    """
    try:
        seen = [(str(file.relative_to(path.parent)), *_seen(file)) for file in _files(path)]
    except OSError as error:
        raise FreeholdError("fit_unreadable", path=path, reason=error.strerror or str(error)) from error
    return f"{FILES}{hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:16]}"


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path, *(external_data(path) if path.suffix == ".onnx" else ())]
    shown = (file for file in path.rglob("*") if not any(part[0] == "." for part in file.relative_to(path).parts))
    return sorted(file for file in shown if file.is_file())


def _seen(file: Path) -> tuple[int, int | str]:
    stat = file.stat()
    small = stat.st_size <= SMALL
    return stat.st_size, hashlib.sha256(file.read_bytes()).hexdigest() if small else stat.st_mtime_ns


def _mebibytes(size: int) -> int:
    """Rounded up."""
    return -(-size // MIB)
