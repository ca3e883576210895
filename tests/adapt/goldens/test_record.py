"""The recorder asks transformers itself, and what it writes is a raw golden that the artifact meets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from freehold.adapt.goldens import find
from freehold.adapt.goldens.record import main, record
from freehold.adapt.goldens.texts import TEXTS
from freehold.adapt.graphs import build
from freehold.artifact import Golden, load_goldens, save_golden
from freehold.artifact.artifact import sha256_of

Make = Callable[..., Any]
KINDS = "sentence_transformers.models."


ROOM = {"max_position_embeddings": 514}  # the tiny tokenizers make a token of every character


def roomy(folder: Path) -> Path:
    """The folder without lengths of its own but its positions."""
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "sentence_bert_config.json").unlink(missing_ok=True)
    return folder


def answers(artifact: Path, golden: Golden, packed: Make) -> np.ndarray[Any, Any]:
    """The artifact's own rows for the golden's inputs."""
    tokenizer = Tokenizer.from_file(str(artifact / "tokenizer.json"))
    encoded = [
        tokenizer.encode(*([inputs["query"]] if "query" in inputs else []), inputs["text"])
        for inputs in (case.inputs for case in golden.cases)
    ]
    types = [each.type_ids for each in encoded]
    rows: np.ndarray[Any, Any] = packed(artifact / "model.onnx")([each.ids for each in encoded], types)
    return rows


@pytest.mark.parametrize(
    ("architecture", "labels", "output"),
    [
        ("BertModel", 0, "embeddings"),
        ("XLMRobertaForSequenceClassification", 1, "logits"),
        ("BertForSequenceClassification", 3, "logits"),
    ],
)
def test_what_is_recorded_is_what_the_artifact_answers(
    architecture: str, labels: int, output: str, encoder_folder: Make, packed: Make, tmp_path: Path
) -> None:
    """For embeddings, a cross-encoder's pairs and a classifier's texts."""
    folder = roomy(encoder_folder(tmp_path / "m", architecture=architecture, labels=labels, **ROOM))
    golden = record(folder)
    assert golden.raw
    assert golden.recorded_by.source == f"sha256:{sha256_of(folder / 'model.safetensors')}"
    save_golden(folder / "goldens" / "raw.json", golden)
    artifact = build(folder, tmp_path / "cache")
    (carried,) = load_goldens(artifact / "goldens")
    assert len(carried.cases) == len(TEXTS)
    expected = np.stack([case.outputs[output].array() for case in carried.cases])
    np.testing.assert_allclose(answers(artifact, carried, packed), expected, atol=1e-5)


def test_a_text_that_would_be_cut_is_left_out(encoder_folder: Make, tmp_path: Path) -> None:
    """A golden says what whole texts answer."""
    golden = record(encoder_folder(tmp_path / "m"))
    assert 0 < len(golden.cases) < len(TEXTS)
    assert all(len(str(case.inputs["text"])) < 64 for case in golden.cases)


def test_dense_modules_and_lower_case_are_recorded_too(encoder_folder: Make, packed: Make, tmp_path: Path) -> None:
    """All that the folder's sentence-transformers files ask for."""
    folder = encoder_folder(tmp_path / "m", architecture="XLMRobertaModel", pooling="cls", **ROOM)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    (folder / "modules.json").write_text(json.dumps([{"path": p, "type": KINDS + name} for p, name in modules]))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 500, "do_lower_case": True}))
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": 32, "out_features": 8, "bias": False}))
    weight = np.random.default_rng(0).standard_normal((8, 32), np.float32)
    save_file({"linear.weight": weight}, folder / "2_Dense" / "model.safetensors")
    golden = record(folder)
    save_golden(folder / "goldens" / "raw.json", golden)
    artifact = build(folder, tmp_path / "cache")
    (carried,) = load_goldens(artifact / "goldens")
    expected = np.stack([case.outputs["embeddings"].array() for case in carried.cases])
    assert expected.shape[1] == 8
    np.testing.assert_allclose(answers(artifact, carried, packed), expected, atol=1e-5)


def test_minilms_golden_is_the_scripts_own_work(minilm_folder: Path, tmp_path: Path) -> None:
    """Run again as documented, it gives the packaged file but for the last bits of a float."""
    assert main([str(minilm_folder), "--output", str(tmp_path / "g" / "new.json")]) == 0
    (fresh,) = load_goldens(tmp_path / "g")
    (packaged,) = find(fresh.recorded_by.source)
    (kept,) = load_goldens(packaged.parent)
    assert [case.inputs for case in fresh.cases] == [case.inputs for case in kept.cases]
    for new, old in zip(fresh.cases, kept.cases, strict=True):
        np.testing.assert_allclose(new.outputs["embeddings"].array(), old.outputs["embeddings"].array(), atol=1e-5)


def test_unknown_weights_have_no_packaged_golden() -> None:
    """Nothing is made up."""
    assert find("sha256:" + "0" * 64) == []
