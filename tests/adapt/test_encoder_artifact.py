"""What an encoder's artifact says of itself, and which goldens it carries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.digests import DigestMemo
from freehold.adapt.encoder_artifact import EncoderArtifact
from freehold.adapt.folder import open_folder
from freehold.adapt.graphs import build
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.artifact import sha256_of

Make = Callable[..., Any]


@pytest.fixture
def folder(encoder_folder: Make, tmp_path: Path) -> Path:
    """A tiny embedding model to change."""
    made: Path = encoder_folder(tmp_path / "my-model")
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where artifacts go."""
    return tmp_path / "cache"


def test_a_reranker(tiny_reranker_folder: Path, cache: Path) -> None:
    """One label, logits, no token types, no pooling."""
    manifest = Artifact.open(build(tiny_reranker_folder, cache)).manifest
    assert (manifest.kind, manifest.pooling, manifest.labels) == ("rerank", "", ())
    assert [each.name for each in manifest.inputs] == ["input_ids", "sequence_ids", "sequence_starts"]
    assert (manifest.outputs[0].name, manifest.outputs[0].shape) == ("logits", (-1, 1))
    assert (manifest.limits.max_tokens, manifest.limits.positions) == (128, 128)


def test_a_classifier_names_its_labels(encoder_folder: Make, tmp_path: Path, cache: Path) -> None:
    """In the order of the logits."""
    names = {"0": "spam", "1": "ham", "2": "other"}
    folder = encoder_folder(tmp_path / "c", architecture="BertForSequenceClassification", labels=3, id2label=names)
    manifest = Artifact.open(build(folder, cache)).manifest
    assert (manifest.kind, manifest.labels) == ("classify", ("spam", "ham", "other"))


def golden_of(weights: Path, *texts: str) -> Golden:
    rows = tuple(Case({"text": text}, {"embeddings": Tensor.of(np.ones(32, np.float32))}) for text in texts)
    return Golden(RecordedBy("transformers", "5", f"sha256:{sha256_of(weights)}"), rows)


def test_cases_that_truncation_would_change_stay_out(folder: Path, cache: Path) -> None:
    """A golden says what the whole text answers; an artifact that cuts it earlier could only fail."""
    save_golden(folder / "goldens" / "ours.json", golden_of(folder / "model.safetensors", "a", "b " * 20))
    (golden,) = load_goldens(build(folder, cache, max_tokens=10) / "goldens")
    assert [case.inputs["text"] for case in golden.cases] == ["a"]
    assert load_goldens(build(folder, cache, max_tokens=2) / "goldens") == []


def test_a_plan_names_the_artifact_before_it_is_written(folder: Path, cache: Path) -> None:
    """By the digest that its folder gets; its length is part of it."""
    memo = DigestMemo(cache / "digests")
    plan = EncoderArtifact.plan(open_folder(folder), None, memo)
    assert build(folder, cache).name == plan.digest
    assert EncoderArtifact.plan(open_folder(folder), 30, memo).digest != plan.digest
    assert plan.megabytes == 1


def test_a_tokenizer_without_settings_gets_empty_ones(folder: Path, cache: Path) -> None:
    """Readers of an artifact find the file in any case."""
    (folder / "tokenizer_config.json").unlink()
    assert (build(folder, cache) / "tokenizer_config.json").read_bytes() == b"{}"
