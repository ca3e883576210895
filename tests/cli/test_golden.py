"""`freehold golden record` and `golden check`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx
import pytest
from onnx import numpy_helper

from freehold import __version__
from freehold.artifact import Artifact
from freehold.artifact.golden import load_golden

Freehold = Callable[..., Any]


def scale_weight(path: Path) -> None:
    """Make another model of the graph at `path`."""
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.1, weight.name))
    onnx.save(model, path)


def test_goldens_of_a_graph_lie_beside_it(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """Seeded samples, recorded by us, hence `self`; the next verification replays them."""
    ran = freehold("golden", "record", str(mlp), "--texts", "3", "--json")
    assert ran.code == 0
    path = folder / "mlp.goldens" / "freehold.json"
    assert (ran.data["path"], ran.data["cases"], ran.data["proves"]) == (str(path), 3, "self")
    golden = load_golden(path)
    assert not golden.raw
    assert (golden.recorded_by.framework, golden.recorded_by.version) == ("freehold", __version__)
    assert freehold("verify", str(mlp), "--require", "self").code == 0
    assert freehold("verify", str(mlp), "--require", "raw").code == 1


def test_recording_says_that_it_proves_no_conversion(freehold: Freehold, mlp: Path) -> None:
    """In its result and in its help."""
    told = freehold("golden", "record", str(mlp)).out
    assert "`self`" in told
    assert "`raw`" in told
    assert "never `raw`" in " ".join(freehold("golden", "record", "--help").out.split())


def test_nothing_is_overwritten_without_force(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """The file stays as it was; --force replaces it."""
    path = folder / "mlp.goldens" / "freehold.json"
    freehold("golden", "record", str(mlp), "--texts", "1")
    before = path.read_bytes()
    ran = freehold("golden", "record", str(mlp), "--texts", "2", "--json")
    assert (ran.code, ran.error["code"]) == (1, "golden_exists")
    assert path.read_bytes() == before
    assert freehold("golden", "record", str(mlp), "--texts", "2", "--force").code == 0
    assert len(load_golden(path).cases) == 2


def test_an_artifact_gets_its_golden_pinned_and_a_new_digest(
    freehold: Freehold, tiny_artifact: Path, folder: Path
) -> None:
    """The manifest pins the new file and all the others as before; recording again replaces it."""
    target = folder / "artifact"
    shutil.copytree(tiny_artifact, target)
    (target / "stray.txt").write_text("not part of it")
    before = Artifact.open(target)
    ran = freehold("golden", "record", str(target), "--json")
    assert ran.code == 0
    after = Artifact.open(target)
    assert (ran.data["previous_digest"], ran.data["digest"]) == (before.digest, after.digest)
    assert after.digest != before.digest
    assert after.manifest.files.keys() - before.manifest.files.keys() == {"goldens/freehold.json"}
    after.check_files()
    assert freehold("golden", "record", str(target), "--texts", "2", "--force", "--json").data["cases"] == 2
    Artifact.open(target).check_files()
    assert "new digest" in freehold("golden", "record", "--help").out
    assert freehold("golden", "check", str(target)).code == 0


def test_a_damaged_artifact_is_not_made_whole_by_a_new_manifest(
    freehold: Freehold, tiny_artifact: Path, folder: Path
) -> None:
    """Its files are hashed before the manifest is written anew."""
    target = folder / "artifact"
    shutil.copytree(tiny_artifact, target)
    manifest = (target / "manifest.json").read_bytes()
    settings = target / "tokenizer_config.json"
    settings.write_bytes(settings.read_bytes().replace(b"128", b"129"))
    ran = freehold("golden", "record", str(target), "--json")
    assert (ran.code, ran.error["code"]) == (1, "artifact_corrupt")
    assert (target / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("kind", ["embed", "rerank"])
def test_goldens_of_a_model_folder_are_carried_into_its_artifact(
    freehold: Freehold, tiny_bert_folder: Path, tiny_reranker_folder: Path, folder: Path, kind: str
) -> None:
    """Bound to the digest of the weights, with texts that no truncation cuts."""
    target = folder / "model"
    shutil.copytree(tiny_bert_folder if kind == "embed" else tiny_reranker_folder, target)
    ran = freehold("golden", "record", str(target), "--texts", "20", "--json")
    assert ran.code == 0
    assert ran.data["path"] == str(target / "goldens" / "freehold.json")
    assert ran.data["digest"] != ran.data["previous_digest"]
    checked = freehold("golden", "check", str(target), "--json")
    assert checked.code == 0
    (model,) = checked.data["models"]
    assert (model["proof"], model["kind"], model["digest"]) == ("self", kind, ran.data["digest"])
    assert model["goldens"][0]["replayed"] == 20


def test_inputs_can_be_given_a_line_each(freehold: Freehold, tiny_bert_folder: Path, mlp: Path, folder: Path) -> None:
    """Texts for text models, named values or whole tensors for graphs; --output writes elsewhere."""
    lines = folder / "in.jsonl"
    lines.write_text('{"text": "one"}\n\n{"text": "甲"}\n')
    ran = freehold(
        "golden", "record", str(tiny_bert_folder), "--input", str(lines), "--output", "out/mine.json", "--json"
    )
    assert ran.code == 0
    assert [case.inputs for case in load_golden(folder / "out" / "mine.json").cases] == [
        {"text": "one"},
        {"text": "甲"},
    ]
    assert ran.data["digest"] == ran.data["previous_digest"]
    row = [0.5] * 16
    lines.write_text(
        json.dumps({"x": [row, row]}) + "\n" + json.dumps({"x": {"datatype": "FP32", "shape": [1, 16], "data": row}})
    )
    assert freehold("golden", "record", str(mlp), "--input", str(lines), "--json").data["cases"] == 2
    assert [case.inputs["x"].shape for case in load_golden(folder / "mlp.goldens" / "freehold.json").cases] == [
        (2, 16),
        (1, 16),
    ]


def test_a_wrong_line_is_named_by_its_number(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """With what is wrong and the form that is wanted."""
    (folder / "in.jsonl").write_text(json.dumps({"x": [[0.5] * 16]}) + "\n" + json.dumps({"x": [[0.5] * 15]}))
    ran = freehold("golden", "record", str(mlp), "--input", "in.jsonl", "--json")
    assert (ran.code, ran.error["code"]) == (1, "input_malformed")
    assert "in.jsonl:2" in ran.error["cause"]
    assert "[1, 15]" in ran.error["cause"]
    assert not (folder / "mlp.goldens").exists()


def test_a_text_that_would_be_cut_is_refused(freehold: Freehold, tiny_bert_folder: Path, folder: Path) -> None:
    """Cut elsewhere or not at all, it would look like drift."""
    (folder / "in.jsonl").write_text(json.dumps({"text": "long " * 100}))
    ran = freehold("golden", "record", str(tiny_bert_folder), "--input", "in.jsonl", "--output", "out.json", "--json")
    assert (ran.code, ran.error["code"]) == (1, "golden_text_cut")
    assert "64" in ran.error["cause"]


def test_a_place_that_cannot_be_written_is_an_error(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """With the system's reason."""
    (folder / "file").write_text("")
    ran = freehold("golden", "record", str(mlp), "--output", "file/out.json", "--json")
    assert (ran.code, ran.error["code"]) == (1, "golden_unwritable")


def test_a_model_that_fails_its_proof_is_not_recorded(freehold: Freehold, permuted_minilm: Path) -> None:
    """New goldens of a wrong model would give it a proof."""
    ran = freehold("golden", "record", str(permuted_minilm), "--json")
    assert (ran.code, ran.error["code"]) == (1, "proof_failed")


def test_drift_fails_the_check_and_stands_in_the_report(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """The graph changed since it was recorded: every case is a failure with its difference as text."""
    freehold("golden", "record", str(mlp), "--texts", "3")
    scale_weight(mlp)
    ran = freehold("golden", "check", str(mlp), "--junit", "reports/junit.xml", "--json")
    assert ran.code == 1
    root = ElementTree.parse(folder / "reports" / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "3", "0")
    first = root.find("testsuite/testcase/failure")
    assert first is not None
    assert first.text is not None
    assert "expected" in first.text
    details = ran.data["models"][0]["error"]["details"]
    assert f"seen {details['seen']}" in first.text


def test_nothing_to_replay_fails_the_check(freehold: Freehold, mlp: Path) -> None:
    """A pipeline that checks goldens wants some."""
    ran = freehold("golden", "check", str(mlp), "--json")
    assert ran.code == 1
    assert ran.data["models"][0]["error"]["code"] == "proof_below"
