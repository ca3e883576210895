"""The child that only records, here in this process."""

from pathlib import Path

from freehold.adapt.children.recording import work
from freehold.adapt.goldens import weights_digest
from freehold.artifact.artifact import sha256_of
from freehold.artifact.golden import load_golden


def test_transformers_answers_are_a_golden(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """With the digest of the weights that it had loaded, under the name that was asked for."""
    result = work({"folder": str(tiny_bert_folder), "kind": "auto", "output": "g.json", "writes": str(tmp_path)})
    golden = load_golden(tmp_path / "g.json")
    assert result["framework"] == golden.recorded_by.framework == "transformers"
    weights = tiny_bert_folder / "model.safetensors"
    assert golden.recorded_by.source == weights_digest({weights.name: sha256_of(weights)})
    assert golden.cases
