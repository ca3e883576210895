"""The facts of a model's files that a deployment is made of, where the files are here."""

from dataclasses import replace
from pathlib import Path

from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import read_model
from freehold.deploy.fitting.needs import MIB, PROCESS_BYTES, container_load, kv_bytes, need
from freehold.deploy.services.units import Facts

CORES = 8
"""Threads that a service is counted with where `resources.cpu` does not say."""


def facts_of(model: ModelConfig, path: Path | None) -> Facts:
    """What is known of `model`, whose file or folder is at `path`; None: not here, or at an upstream.

    `memory_mb` is that of a process of ours alone with the model, `kv_mb` its part for keys and values. Of a model in
    vLLM, or on a card, memory is the card's: what a server takes of the machine beside it is not computed.

    Of a model that another server runs by a command of its own, only the size: its files may be of any form. Raises
    FreeholdError `fit_unreadable`, and `artifact_invalid` or `artifact_corrupt` of an artifact.
    """
    if path is None or model.hosting == "upstream":
        return Facts()
    if model.command:
        return Facts(bytes=size_of(path))
    files = read_model(path, model.kind)
    known = Facts(files.bytes, files.digest, architecture=files.architecture)
    if model.engine == "vllm" or model.device in ("cuda", "tensorrt"):
        return known
    load, cores = container_load(model, files), int(model.resources.cpu or CORES)
    size = PROCESS_BYTES + need(model, files, load, max(1, cores)).sum
    keys = kv_bytes(files.shape, load) if files.kind == "generate" and files.shape is not None else None
    return replace(known, memory_mb=-(-size // MIB), kv_mb=keys and -(-keys // MIB))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
