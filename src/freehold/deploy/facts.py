"""The facts of a model's files that a deployment is made of, where the files are here."""

from pathlib import Path

from freehold.config import ModelConfig
from freehold.deploy.model_files import read_model
from freehold.deploy.units import Facts


def facts_of(model: ModelConfig, path: Path | None) -> Facts:
    """What is known of `model`, whose file or folder is at `path`; None: not here, or at an upstream.

    Of a model that another server runs by a command of its own, only the size: its files may be of any form. Raises
    FreeholdError `fit_unreadable`, and `artifact_invalid` or `artifact_corrupt` of an artifact.
    """
    if path is None or model.hosting == "upstream":
        return Facts()
    if model.command:
        return Facts(bytes=size_of(path))
    files = read_model(path, model.kind)
    return Facts(files.bytes, files.digest, architecture=files.architecture)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
