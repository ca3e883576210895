"""From a path to the engine of its kind."""

import shutil
from pathlib import Path

import msgspec
import pytest

from freehold.adapt import graphs
from freehold.artifact.artifact import Artifact, write_manifest
from freehold.engine.encoder import Encoder
from freehold.engine.opening import open_artifact, open_engine
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError

PLAIN = EngineSettings(tune=False)


def test_files_are_tensor_models_and_folders_say_what_they_are(
    mlp_graph: Path, tiny_bert_folder: Path, tiny_reranker_folder: Path, tmp_path: Path
) -> None:
    """A bare graph has its file's digest, an artifact its manifest's."""
    bare = open_engine(mlp_graph, "mlp", PLAIN)
    assert isinstance(bare, TensorEngine)
    assert bare.digest.startswith("sha256:")
    embedder = open_engine(graphs.build(tiny_bert_folder, tmp_path), "ignored", PLAIN)
    judge = open_engine(graphs.build(tiny_reranker_folder, tmp_path), "ignored", PLAIN)
    assert isinstance(embedder, Encoder)
    assert (embedder.manifest.kind, judge.manifest.kind) == ("embed", "rerank")


def test_a_kind_without_an_engine_is_told(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """An artifact of a later version's kind is refused by name."""
    artifact = Artifact.open(graphs.build(tiny_bert_folder, tmp_path / "graphs"))
    copy = Path(shutil.copytree(artifact.path, tmp_path / "copy"))
    write_manifest(copy, msgspec.structs.replace(artifact.manifest, kind="generate"))
    with pytest.raises(FreeholdError, match="kind_unsupported"):
        open_artifact(copy, PLAIN)


def test_an_artifact_of_kind_tensor_is_one(mlp_graph: Path, tmp_path: Path) -> None:
    """Its manifest gives inputs and outputs, its graph is served."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    shutil.copy(mlp_graph, folder / "model.onnx")
    bare = open_engine(mlp_graph, "mlp", PLAIN)
    write_manifest(folder, bare.manifest)
    assert isinstance(open_engine(folder, "mlp", PLAIN), TensorEngine)
