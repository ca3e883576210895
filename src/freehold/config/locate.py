"""Where on this machine a path source is, and what to say when it is not there."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from freehold.config.foreign.triton import is_triton_model, read_triton_model
from freehold.config.source import Source
from freehold.errors import FreeholdError

MOUNTS = ("/app/models", "/app/data", "/models")  # where images and compose files mount the host's model folder

_WEIGHTS = frozenset({".safetensors", ".bin"})  # one file of a model folder
_OTHER_FORMATS = frozenset({".pt", ".pth", ".ckpt", ".gguf", ".h5", ".keras", ".pb", ".tflite", ".engine", ".plan"})
_CONFIG_FILES = frozenset({".yaml", ".yml", ".json"})


def locate(source: Source, mounts: Sequence[str] = MOUNTS) -> Path:
    """The .onnx file or model folder that a path source means: X, X.onnx or X/model.onnx, the first that exists.

    A folder with a `manifest.json` or `config.json` is returned itself; of one model of a Triton repository the newest
    version's graph (`read_triton_model`, which says what it raises). Raises `source_is_upstream` or
    `source_not_local` for a source that is no path, else `model_path_missing`, `model_path_unmounted`,
    `model_path_elsewhere`, `model_path_unreadable`, `model_path_format`, `model_path_is_part`, `model_path_is_config`.
    """
    path = found(source, mounts)
    try:
        return _within_folder(path) if path.is_dir() else _of_our_format(path)
    except OSError as error:
        raise FreeholdError("model_path_unreadable", path=path, reason=error.strerror or str(error)) from None


def found(source: Source, mounts: Sequence[str] = MOUNTS) -> Path:
    """As `locate`, for whoever reads other formats too: any file or folder."""
    if source.kind != "path":
        raise FreeholdError("source_is_upstream" if source.kind == "upstream" else "source_not_local", source=source)
    path = Path(source.name)
    try:
        existing = next((candidate for candidate in candidates(path) if candidate.exists()), None)
    except OSError as error:
        raise FreeholdError("model_path_unreadable", path=path, reason=error.strerror or str(error)) from None
    if existing is None:
        raise _missing(path, mounts)
    return existing


def candidates(path: Path) -> tuple[Path, ...]:
    """The paths that are tried for `path`, in order."""
    if path.suffix == ".onnx":
        return (path,)
    if not path.name:  # the root
        return (path, path / "model.onnx")
    return (path, path.with_name(path.name + ".onnx"), path / "model.onnx")


def _within_folder(folder: Path) -> Path:
    describes_itself = any((folder / name).is_file() for name in ("manifest.json", "config.json"))
    graph = folder / "model.onnx"
    if describes_itself:
        return folder
    if graph.is_file():
        return graph
    return read_triton_model(folder).graph if is_triton_model(folder) else folder


def _of_our_format(file: Path) -> Path:
    suffix = file.suffix.lower()
    if suffix in _WEIGHTS:
        raise FreeholdError("model_path_is_part", path=file, folder=file.parent)
    if suffix in _OTHER_FORMATS:
        raise FreeholdError("model_path_format", path=file, format=suffix, name=file.stem)
    if suffix in _CONFIG_FILES:
        raise FreeholdError("model_path_is_config", path=file)
    return file


def _missing(path: Path, mounts: Sequence[str]) -> FreeholdError:
    tried = ", ".join(str(candidate) for candidate in candidates(path))
    mount = next((mount for mount in mounts if PurePosixPath(path).is_relative_to(mount)), None)
    if mount is None:
        folder = next(parent for parent in [*path.parents, Path()] if parent.is_dir())
        return FreeholdError("model_path_missing", path=path, tried=tried, folder=folder, entries=_entries(folder))
    rest = PurePosixPath(path).relative_to(mount)
    for found in _elsewhere(rest, mount, mounts):
        return FreeholdError("model_path_elsewhere", path=path, tried=tried, found=found)
    return FreeholdError("model_path_unmounted", path=path, tried=tried, **_both_sides(mount, rest, mounts))


def _both_sides(mount: str, rest: PurePosixPath, mounts: Sequence[str]) -> dict[str, str]:
    """Where a folder of the host goes, the option that puts it there, and where on the host the model lies then.

    In our image /app/models is a link to /app/data/models: the folder that is mounted is that of /app/data.
    """
    inner = Path(mount).resolve()
    outer = next((one for one in mounts if one != mount and inner.is_relative_to(one)), None)
    if outer is None:
        return {"mount": mount, "mounted": f"./models:{mount}", "host": f"./models/{rest}"}
    name = PurePosixPath(outer).name
    return {"mount": outer, "mounted": f"./{name}:{outer}", "host": f"./{name}/{inner.relative_to(outer) / rest}"}


def _elsewhere(rest: PurePosixPath, mount: str, mounts: Sequence[str]) -> Iterator[Path]:
    """The same model under one of the other usual mounts."""
    for other in mounts:
        for folder in (Path(other), Path(other) / "models"):
            if other != mount:
                yield from (found for found in candidates(folder / rest) if found.exists())


def _entries(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return error.strerror or str(error)
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "-"
