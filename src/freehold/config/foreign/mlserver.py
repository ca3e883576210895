"""MLServer's `model-settings.json`: a name, where the model lies, and what it takes and gives."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freehold.config.document import read_file
from freehold.config.foreign.declared import ForeignModel
from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError

SETTINGS = "model-settings.json"
RUNTIMES = ("mlserver_sklearn", "mlserver_xgboost", "mlserver_lightgbm", "mlserver_catboost", "mlserver_mlflow",
            "mlserver_alibi_explain", "mlserver_alibi_detect", "mlserver_huggingface")  # fmt: skip
"""Packages of MLServer's own whose models are no ONNX graphs."""

_READ = {"name", "implementation", "parameters", "inputs", "outputs", "platform", "versions"}


def is_mlserver_model(folder: Path) -> bool:
    """Whether `folder` holds the settings of one model."""
    return (folder / SETTINGS).is_file()


def read_mlserver_model(folder: Path) -> ForeignModel:
    """The ONNX model that the settings in `folder` name.

    Raises FreeholdError `repository_file_invalid`, `mlserver_not_onnx`, `mlserver_huggingface`, `mlserver_uri_remote`
    or `mlserver_model_missing`.
    """
    path = folder / SETTINGS
    settings = _settings(path)
    name = settings.get("name") or folder.name
    implementation = str(settings.get("implementation") or "")
    parameters = settings.get("parameters") or {}
    if not isinstance(name, str) or not isinstance(parameters, dict):
        raise FreeholdError("repository_file_invalid", where=path, reason="`name` is a text, `parameters` an object")
    uri = str(parameters.get("uri") or "")
    package = implementation.partition(".")[0]
    if package == "mlserver_huggingface":
        raise FreeholdError("mlserver_huggingface", where=path, model=name, source=_pretrained(parameters))
    graph = _graph(folder, uri, name)
    if package in RUNTIMES or graph.suffix != ".onnx":
        raise FreeholdError(
            "mlserver_not_onnx", where=path, model=name, implementation=implementation or "-", file=graph
        )
    if not graph.exists():
        raise FreeholdError("mlserver_model_missing", where=path, model=name, path=graph)
    return ForeignModel(
        name=name,
        graph=graph,
        where=str(path),
        inputs=tuple(_tensors(path, settings, "inputs")),
        outputs=tuple(_tensors(path, settings, "outputs")),
        notes=tuple(_notes(path, name, settings, implementation)),
    )


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(read_file(path))
    except json.JSONDecodeError as error:
        raise FreeholdError("repository_file_invalid", where=f"{path}:{error.lineno}", reason=error.msg) from None
    except (RecursionError, ValueError) as error:
        raise FreeholdError("repository_file_invalid", where=path, reason=str(error)) from None
    if not isinstance(settings, dict):
        raise FreeholdError("repository_file_invalid", where=path, reason="it must hold one object")
    return settings


def _graph(folder: Path, uri: str, name: str) -> Path:
    """The file that `uri` names, relative to the settings; without one `model.onnx` beside them."""
    if "://" in uri and not uri.startswith("file://"):
        raise FreeholdError("mlserver_uri_remote", where=folder / SETTINGS, model=name, uri=uri)
    path = folder / (uri.removeprefix("file://") or ".")
    return path / "model.onnx" if path.is_dir() else path


def _pretrained(parameters: dict[str, Any]) -> str:
    extra = parameters.get("extra")
    named = extra.get("pretrained_model") if isinstance(extra, dict) else None
    return str(named or "ORG/NAME")


def _tensors(path: Path, settings: dict[str, Any], key: str) -> Iterator[DeclaredTensor]:
    declared = settings.get(key) or []
    for entry in declared if isinstance(declared, list) else [None]:
        match entry:
            case {"name": str(name), "datatype": str(datatype), "shape": list(shape)} if all(
                type(size) is int and (size >= 1 or size == -1) for size in shape
            ):
                yield DeclaredTensor(name, datatype, tuple(shape))
            case _:
                reason = f"each of `{key}` needs name, datatype and shape, with -1 for free dimensions"
                raise FreeholdError("repository_file_invalid", where=path, reason=reason)


def _notes(path: Path, name: str, settings: dict[str, Any], implementation: str) -> Iterator[FreeholdError]:
    if implementation and "onnx" not in implementation.lower():
        yield FreeholdError("note_repository_code", where=path, model=name, implementation=implementation)
    left = sorted(settings.keys() - _READ)
    if left:
        yield FreeholdError("note_repository_settings", where=path, model=name, keys=", ".join(left))
