"""Hugging Face folders whose graph is written without torch; their goldens are transformers', recorded in a child."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import convert
from freehold.artifact.artifact import unpinned
from freehold.artifact.golden import load_golden
from freehold.errors import FreeholdError


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conversion:
    """A conversion of nothing yet."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    return Conversion(tmp_path, "model", tmp_path / "work")


def test_a_known_model_brings_its_packaged_proof(asked: Conversion, minilm_folder: Path) -> None:
    """MiniLM: no framework is started, and the proof is raw."""
    made = convert(replace(asked, source=minilm_folder), print)
    assert made.proof.status == "raw"
    assert made.artifact.manifest.kind == "embed"
    assert made.artifact.manifest.name == "model"
    assert made.artifact.manifest.made_with["exporter"] == "freehold graphs"
    assert max(row.max_abs for row in made.parity) <= 1e-5


def test_a_folder_without_goldens_is_recorded_by_transformers(asked: Conversion, tiny_bert_folder: Path) -> None:
    """In a child that reads the folder and can do nothing else."""
    made = convert(replace(asked, source=tiny_bert_folder), print)
    assert made.proof.status == "raw"
    golden = load_golden(made.artifact.goldens / "raw.json")
    assert golden.recorded_by.framework == "transformers"
    assert golden.recorded_by.source == made.artifact.manifest.made_by.source
    assert made.artifact.manifest.ancestors[0].name == "tiny-bert"
    made.artifact.check_files()
    assert not unpinned(made.artifact)


def test_another_kind_than_the_folders_is_refused(asked: Conversion, tiny_bert_folder: Path) -> None:
    """It embeds, and cannot rerank."""
    with pytest.raises(FreeholdError, match="convert_kind_unsuitable"):
        convert(replace(asked, source=tiny_bert_folder, kind="rerank"), print)


@pytest.mark.parametrize("changes", [{"input_shapes": ((1, 5),)}, {"opset": 17}])
def test_what_says_nothing_about_a_text_model_is_refused(
    asked: Conversion, tiny_bert_folder: Path, changes: dict[str, Any]
) -> None:
    """Its lengths are free, and its graph is written in one opset."""
    with pytest.raises(FreeholdError, match="convert_option_unused"):
        convert(replace(asked, source=tiny_bert_folder, **changes), print)


def test_goldens_of_other_weights_are_no_proof(asked: Conversion, tiny_bert_folder: Path, tmp_path: Path) -> None:
    """A folder whose weights were changed after its goldens were recorded is refused."""
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in tiny_bert_folder.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(tiny_bert_folder)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    golden = {"recorded_by": {"framework": "transformers", "version": "5", "source": "sha256:0"}, "cases": []}
    (folder / "goldens").mkdir()
    (folder / "goldens" / "raw.json").write_text(json.dumps(golden))
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", {"format": "pt", "n": "1"})
    with pytest.raises(FreeholdError, match="golden_of_other_weights"):
        convert(replace(asked, source=folder), print)
