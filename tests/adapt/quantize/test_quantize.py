"""Quantizations of every kind, method and precision, from a parent to an artifact that engines load."""

import json
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.plan import Quantization
from freehold.adapt.quantize.quantize import Quantized, quantize
from freehold.adapt.quantize.report import as_text
from freehold.artifact import Artifact, load_goldens
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


def words(tokenizer: TextTokenizer, longest: int, seed: int) -> Iterable[str]:
    """Endless texts of random words."""
    rng = np.random.default_rng(seed)
    while True:
        yield " ".join("".join(chr(97 + c) for c in rng.integers(0, 26, 4)) for _ in range(rng.integers(1, 9)))


def said(text: str) -> None:
    """Progress that nobody watches."""


def made(path: Path, work: Path, **asked: Any) -> Quantized:
    work.mkdir(exist_ok=True)
    return quantize(Quantization(path, "made", **asked), work, words, said)


def lines(path: Path, *documents: object) -> Path:
    path.write_text("\n".join(map(json.dumps, documents)))
    return path


@pytest.mark.parametrize(
    ("asked", "operator"),
    [
        ({"to": "int8"}, "MatMulIntegerToFloat"),
        ({"to": "int8", "method": "static"}, "DequantizeLinear"),
        ({"to": "int8", "method": "nbits"}, "MatMulNBits"),
        ({"to": "int4"}, "MatMulNBits"),
        ({"to": "w8a8"}, "MatMulIntegerToFloat"),
    ],
)
def test_file(mlp: Path, tmp_path: Path, asked: dict[str, Any], operator: str) -> None:
    """An .onnx file becomes an artifact with its goldens, a report and the tolerance that both measured."""
    import onnx

    folder, report = made(mlp, tmp_path / "work", **asked)
    artifact = Artifact.open(folder)
    manifest = artifact.manifest
    assert operator in {node.op_type for node in onnx.load(artifact.graph, load_external_data=False).graph.node}
    assert (manifest.name, manifest.precision, manifest.parent) == ("made", asked["to"], None)
    assert manifest.ancestors[0].name == "mlp.onnx"
    assert manifest.made_with["method"] == report.method
    assert manifest.tolerance == report.proof.allowed
    assert (report.proof.cases, report.proof.raw) == (4, True)
    assert report.size_after < report.size_before
    assert report.quality.cosine_mean is not None
    assert report.quality.cosine_mean > 0.97
    assert [cost.name for cost in report.sensitivity] == ["first", "second"]
    assert "size" in as_text(report)
    files = ["goldens", "manifest.json", "model.onnx", "model.onnx.data"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["artifact"]


def test_convolutions(convolution: Path, tmp_path: Path) -> None:
    """Convolutions by every method; without goldens the report says that nothing is proven."""
    for method in ("dynamic", "static", "nbits"):
        folder, report = made(convolution, tmp_path / method, method=method)
        assert report.quality.cosine_mean is not None
        assert report.quality.cosine_mean > 0.99
        assert report.proof.cases == 0
        assert Artifact.open(folder).manifest.tolerance is not None


@pytest.mark.parametrize("to", ["int8", "int4", "w8a8"])
def test_embedder(embedder: Path, tmp_path: Path, to: Any) -> None:
    """A packed encoder: the parent's digest, its tokenizer, and similarities of pairs."""
    folder, report = made(embedder, tmp_path / "work", to=to)
    manifest = Artifact.open(folder).manifest
    assert manifest.parent == report.parent == Artifact.open(embedder).digest
    assert manifest.dimensions == Artifact.open(embedder).manifest.dimensions
    assert (folder / "tokenizer.json").is_file()
    assert not (folder / "model.portable.onnx").exists()
    assert report.quality.spearman is not None
    assert report.quality.spearman > 0.9
    assert "embeddings.word_embeddings.weight" in {cost.name for cost in report.sensitivity}


def test_padded(padded: Path, tmp_path: Path) -> None:
    """A graph that the framework's exporter wrote, whose weights lie the other way round."""
    folder, report = made(padded, tmp_path / "work", to="w8a8")
    assert Artifact.open(folder).manifest.layout == "padded"
    assert report.quality.cosine_mean is not None
    assert report.quality.cosine_mean > 0.999


def test_classifier(classifier: Path, tmp_path: Path) -> None:
    """A classifier: the same choices as its parent, and how many are right."""
    rows = [{"text": f"text {i}", "label": f"LABEL_{i % 3}"} for i in range(12)]
    _, report = made(classifier, tmp_path / "work", evaluation=lines(tmp_path / "e.jsonl", *rows))
    assert report.metric == "top1"
    assert report.quality.top1 is not None
    assert report.quality.top1 > 0.6
    assert report.quality.accuracy is not None


def test_reranker(reranker: Path, tmp_path: Path) -> None:
    """A cross-encoder with labelled pairs: order is what counts."""
    rows = [{"query": "q", "text": f"text {i}", "label": i % 2} for i in range(12)]
    folder, report = made(reranker, tmp_path / "work", evaluation=lines(tmp_path / "e.jsonl", *rows))
    assert report.metric == "spearman"
    assert report.quality.accuracy is not None
    assert (report.data.calibration, report.data.held_out) == (6, 6)
    assert Artifact.open(folder).manifest.tolerance is not None


@pytest.mark.parametrize("to", ["int8", "int4", "w8a8"])
def test_decoder(decoder: Path, tmp_path: Path, to: Any) -> None:
    """A decoder: choices and perplexity beside its parent's."""
    folder, report = made(decoder, tmp_path / "work", to=to)
    manifest = Artifact.open(folder).manifest
    assert (manifest.kind, manifest.precision, manifest.decoder) == (
        "generate",
        to,
        Artifact.open(decoder).manifest.decoder,
    )
    assert report.quality.top1 is not None
    assert report.quality.top1 > (0.5 if to == "int4" else 0.8)
    assert report.quality.perplexity_ratio is not None
    assert (report.proof.cases, report.proof.raw) == (1, True)
    (golden,) = load_goldens(folder / "goldens")
    assert golden.cases[0].outputs["agreement"].array()[0] >= 0.5


def test_search_reaches(mlp: Path, tmp_path: Path) -> None:
    """With a quality to reach, the worst weights are held in eight bits, and the report says which."""
    _, report = made(mlp, tmp_path / "work", to="int4", min_quality=0.996)
    assert report.kept == {"second": "nbits8"}
    assert report.quality.of("cosine") >= 0.996
    assert report.search
    assert report.quantized == 1


def test_search_fails(mlp: Path, tmp_path: Path) -> None:
    """Where it cannot be reached nothing is left but the scratch folder that the caller removes."""
    with pytest.raises(FreeholdError) as raised:
        made(mlp, tmp_path / "work", to="int4", min_quality=0.99999)
    assert raised.value.code == "quantize_quality_unreached"
    assert not (tmp_path / "work" / "artifact").exists()


def test_deterministic(mlp: Path, tmp_path: Path) -> None:
    """Asked the same twice, the artifact is the same to the bit."""
    digests = {made(mlp, tmp_path / name, min_quality=0.99).report.digest for name in ("first", "second")}
    assert len(digests) == 1


def test_labels(mlp: Path, tmp_path: Path) -> None:
    """Expected classes make an accuracy, before and after; calibration and evaluation may be files of their own."""
    rng = np.random.default_rng(0)
    parent = Parent.open(mlp)
    assert parent.manifest.inputs[0].name == "x"
    inputs = [{"input": {"x": rng.standard_normal((1, 64)).tolist()}} for _ in range(6)]
    labelled = [one | {"expected": place} for place, one in enumerate(inputs[2:])]
    files = [lines(tmp_path / name, *part) for name, part in (("c.jsonl", inputs[:2]), ("e.jsonl", labelled))]
    asked = {"calibration": files[0], "evaluation": files[1], "method": "static", "metric": "accuracy"}
    _, report = made(mlp, tmp_path / "work", **asked)
    assert report.quality.accuracy is not None
    assert (report.data.calibration, report.data.held_out) == (2, 4)
    assert report.data.origin == "calibrated with c.jsonl, measured with e.jsonl"
    assert (report.metric, report.sensitivity_metric) == ("accuracy", "cosine")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"metric": "accuracy"}, "quantize_metric_unsuited"),
        ({"keep": ("nowhere",)}, "quantize_keep_unknown"),
        ({"to": "int4", "method": "static"}, "quantize_method_unsuited"),
        ({"calibration": Path("absent.jsonl")}, "quantize_data_unreadable"),
    ],
)
def test_wrong_questions(mlp: Path, tmp_path: Path, asked: dict[str, Any], code: str) -> None:
    """What cannot be done is told, and nothing is made."""
    with pytest.raises(FreeholdError) as raised:
        made(mlp, tmp_path / "work", **asked)
    assert raised.value.code == code
    assert not (tmp_path / "work" / "artifact").exists()


def test_no_room(mlp: Path, tmp_path: Path) -> None:
    """A disk that fills up while weights are written is told as such."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(FreeholdError) as raised:
            made(mlp, tmp_path / "work")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.code == "quantize_disk_full"
    assert not (tmp_path / "work" / "artifact").exists()


def test_larger_than_the_disk(embedder: Path, tmp_path: Path) -> None:
    """A model for which there is no room is refused before anything is read or written."""
    shutil.copytree(embedder, tmp_path / "large")
    with (tmp_path / "large" / "model.onnx.data").open("r+b") as file:
        file.truncate(1 << 43)  # sparse
    with pytest.raises(FreeholdError) as raised:
        made(tmp_path / "large", tmp_path / "work")
    assert raised.value.code == "quantize_disk_full"
    assert not list((tmp_path / "work").iterdir())
