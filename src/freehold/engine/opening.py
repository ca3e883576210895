"""From a path to an unloaded engine of the right kind."""

from pathlib import Path

from freehold.artifact import Artifact, Golden, MadeBy, Manifest, load_goldens
from freehold.artifact.external_data import graph_digest
from freehold.engine.base import Engine
from freehold.engine.embed import open_embed
from freehold.engine.rerank import open_rerank
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine, TensorModel
from freehold.engine.text import OnnxTextEngine
from freehold.errors import FreeholdError


def open_engine(path: Path, name: str, settings: EngineSettings) -> Engine:
    """The engine for what lies at `path`: an artifact folder or a bare `.onnx` file. Raises FreeholdError."""
    return open_graph_file(path, name, settings) if path.is_file() else open_artifact(path, settings)


def open_artifact(path: Path, settings: EngineSettings) -> Engine:
    """The engine for an artifact folder.

    Raises FreeholdError `artifact_invalid`, `artifact_corrupt` and what the engine of its kind raises.
    """
    artifact = Artifact.open(path)
    manifest = artifact.manifest
    if manifest.kind in ("embed", "classify"):
        return open_embed(artifact, settings)
    if manifest.kind == "rerank":
        return open_rerank(artifact, settings)
    if manifest.kind == "generate":
        return OnnxTextEngine(artifact, settings)
    goldens = _to_prove_by(artifact.goldens, settings)
    return TensorEngine(TensorModel(artifact.graph_for(settings.device), manifest, artifact.digest, goldens), settings)


def open_graph_file(path: Path, name: str, settings: EngineSettings) -> Engine:
    """The tensor engine for a bare `.onnx` file; its goldens lie beside it in `<stem>.goldens/`.

    Raises FreeholdError `graph_missing`, `graph_invalid` or `graph_type_unsupported`.
    """
    if not path.is_file():
        raise FreeholdError("graph_missing", path=path)
    digest = graph_digest(path)
    # Inputs and outputs are read from the session when it is opened, so that a large graph is parsed once.
    manifest = Manifest(1, name, "tensor", "tensor", "fp32", (), (), MadeBy("file", "", digest), {})
    goldens = _to_prove_by(golden_folder(path), settings)
    return TensorEngine(TensorModel(path, manifest, digest, goldens), settings)


def _to_prove_by(folder: Path, settings: EngineSettings) -> tuple[Golden, ...]:
    """The goldens of `folder`, unread where the caller replays them itself."""
    return tuple(load_goldens(folder)) if settings.prove else ()


def golden_folder(path: Path) -> Path:
    """Where goldens lie: `goldens/` of a model folder or an artifact, `<stem>.goldens/` beside an .onnx file."""
    return path / "goldens" if path.is_dir() else path.with_name(f"{path.stem}.goldens")
