"""From a path to the engine of the right kind."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from freehold.adapt import graphs
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, save_golden, write_manifest
from freehold.artifact.artifact import sha256_of
from freehold.engine.embed import TextReader
from freehold.engine.encoder import Encoder
from freehold.engine.opening import open_artifact, open_engine, open_graph_file
from freehold.engine.rerank import PairReader
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError

PLAIN = EngineSettings(tune=False)


def of_kind(source: Path, target: Path, kind: str) -> Path:
    """A copy of an artifact that says it is of another kind."""
    artifact = Artifact.open(source)
    target.mkdir()
    for name in artifact.manifest.files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((source / name).read_bytes())
    write_manifest(target, msgspec.structs.replace(artifact.manifest, kind=kind))
    return target


def test_a_file_is_a_tensor_model(mlp_graph: Path) -> None:
    """Named as it is served, known by its bytes."""
    engine = open_engine(mlp_graph, "custom", PLAIN)
    assert isinstance(engine, TensorEngine)
    assert (engine.manifest.name, engine.manifest.kind) == ("custom", "tensor")
    assert engine.digest == f"sha256:{sha256_of(mlp_graph)}"
    assert not engine.ready()


def test_other_weights_beside_the_same_graph_are_another_model(mlp_graph: Path) -> None:
    """Their tuning and prepacked weights must not be mixed up."""
    onnx.save(onnx.load(mlp_graph), mlp_graph, save_as_external_data=True, location="w.bin", size_threshold=0)
    before = open_engine(mlp_graph, "m", PLAIN).digest
    weights = mlp_graph.with_name("w.bin")
    weights.write_bytes(weights.read_bytes()[::-1])
    assert open_engine(mlp_graph, "m", PLAIN).digest != before


def test_an_artifact_says_its_kind(tiny_bert_folder: Path, tiny_reranker_folder: Path, tmp_path: Path) -> None:
    """Embedding, classification and rerank models are encoders with readers of their own; tensors are tensors."""
    embedder, reranker = graphs.build(tiny_bert_folder, tmp_path), graphs.build(tiny_reranker_folder, tmp_path)
    readers = {
        embedder: TextReader,
        of_kind(reranker, tmp_path / "classifier", "classify"): TextReader,
        reranker: PairReader,
    }
    for path, reader in readers.items():
        engine = open_engine(path, "ignored", PLAIN)
        assert isinstance(engine, Encoder)
        assert type(engine._reader) is reader
        assert engine.digest == Artifact.open(path).digest
    tensor = of_kind(embedder, tmp_path / "tensor", "tensor")
    assert isinstance(open_engine(tensor, "ignored", PLAIN), TensorEngine)


def test_a_generator_that_does_not_say_how_it_is_laid_out_is_named(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Without a decoder's layout there is no memory to lay out for it."""
    path = of_kind(graphs.build(tiny_bert_folder, tmp_path), tmp_path / "generator", "generate")
    with pytest.raises(FreeholdError, match="decoder_manifest_invalid") as caught:
        open_artifact(path, PLAIN)
    assert "generate" in caught.value.cause


def test_goldens_beside_a_file_belong_to_it(mlp_graph: Path) -> None:
    """And a broken one is named before anything is loaded."""
    case = Case({"x": Tensor.of(np.ones((1, 16), np.float32))}, {"y": Tensor.of(np.zeros((1, 4), np.float32))})
    folder = mlp_graph.with_name("mlp.goldens")
    save_golden(folder / "raw.json", Golden(RecordedBy("pytorch", "2", "sha256:0"), (case,)))
    engine = open_engine(mlp_graph, "m", PLAIN)
    assert isinstance(engine, TensorEngine)
    assert len(engine._model.goldens) == 1
    (folder / "broken.json").write_text("{")
    with pytest.raises(FreeholdError, match="golden_invalid"):
        open_engine(mlp_graph, "m", PLAIN)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A file is asked for by its path, an artifact by its manifest."""
    with pytest.raises(FreeholdError, match="graph_missing"):
        open_graph_file(tmp_path / "absent.onnx", "m", PLAIN)
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FreeholdError, match="artifact_invalid"):
            open_engine(path, "m", PLAIN)
