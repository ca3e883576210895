"""`freehold verify`: intact files, replayed goldens, exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.artifact import Artifact, Tolerance, write_manifest

Freehold = Callable[..., Any]


def test_a_model_with_raw_goldens_is_proven(freehold: Freehold, minilm_artifact: Path) -> None:
    """Recorded by transformers, every case within tolerance, every file hashed."""
    ran = freehold("verify", str(minilm_artifact), "--require", "raw", "--json")
    assert ran.code == 0
    (model,) = ran.data["models"]
    assert (model["ok"], model["proof"], model["kind"], model["precision"]) == (True, "raw", "embed", "fp32")
    assert model["files_hashed"] == len(json.loads((minilm_artifact / "manifest.json").read_text())["files"])
    (golden,) = model["goldens"]
    assert golden["recorded_by"]["framework"] == "transformers"
    assert golden["replayed"] == golden["cases"] > 0
    assert golden["failures"] == []
    assert model["tolerance"] == {"max_abs": 1e-4, "from": "precision"}
    assert {row["output"] for row in model["parity"]} == {"embeddings"}
    assert {row["shape_class"] for row in model["parity"]} == {"short", "long", "zh"}
    assert sum(row["cases"] for row in model["parity"]) == golden["cases"]
    assert max(row["max_abs"] for row in model["parity"]) <= 1e-5


def test_a_page_is_written_beside_what_is_printed(freehold: Freehold, minilm_artifact: Path, folder: Path) -> None:
    """Of `verify` and of `golden check`, in the reader's language; the exit code says the same as without it."""
    assert freehold("verify", str(minilm_artifact), "--html", "reports/page.html", "--lang", "zh").code == 0
    assert "形状类别" in (folder / "reports" / "page.html").read_text()
    assert freehold("golden", "check", str(minilm_artifact), "--html", "check.html").code == 0
    assert "<svg" in (folder / "check.html").read_text()


def test_a_measured_tolerance_is_what_judges(freehold: Freehold, permuted_minilm: Path) -> None:
    """An artifact whose quality report allows more is held to that, and the output says so."""
    artifact = Artifact.open(permuted_minilm)
    write_manifest(permuted_minilm, msgspec.structs.replace(artifact.manifest, tolerance=Tolerance(cosine_min=0.5)))
    ran = freehold("verify", str(permuted_minilm), "--json")
    assert ran.code == 0
    assert ran.data["models"][0]["tolerance"] == {"cosine_min": 0.5, "from": "quality report"}
    assert "cosine_min 0.5 (of the artifact's quality report)" in freehold("verify", str(permuted_minilm)).out


def test_a_permuted_weight_is_refused(freehold: Freehold, permuted_minilm: Path) -> None:
    """Files and manifest agree, so only the goldens see it: output, index, both values, measure."""
    ran = freehold("verify", str(permuted_minilm), "--json")
    assert ran.code == 1
    (model,) = ran.data["models"]
    assert (model["ok"], model["proof"]) == (False, "failed")
    details = model["error"]["details"]
    assert model["error"]["code"] == "proof_failed"
    assert details["output"] == "embeddings"
    assert len(details["index"]) == 1
    assert float(details["expected"]) != float(details["seen"])
    assert details["measure"].startswith("max_abs")
    assert float(details["allowed"]) == 1e-4
    told = freehold("verify", str(permuted_minilm))
    assert told.code == 1
    assert "proof failed" in told.out
    assert f"expected {details['expected']}, seen {details['seen']}" in told.out


def test_a_file_that_is_not_what_the_manifest_says_is_named(
    freehold: Freehold, tiny_artifact: Path, folder: Path
) -> None:
    """One changed byte: the file's name, and nothing is loaded."""
    target = folder / "damaged"
    shutil.copytree(tiny_artifact, target)
    data = bytearray((target / "tokenizer.json").read_bytes())
    data[-3] ^= 1
    (target / "tokenizer.json").write_bytes(data)
    ran = freehold("verify", str(target), "--json")
    assert ran.code == 1
    assert ran.data["models"][0]["error"]["code"] == "artifact_corrupt"
    assert "tokenizer.json" in ran.data["models"][0]["error"]["cause"]
    assert ran.data["models"][0]["proof"] is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_goldens_is_no_failure_but_is_said(freehold: Freehold, mlp: Path, language: str) -> None:
    """Exit 0 with a note in the reader's language, and the command that records some."""
    ran = freehold("verify", str(mlp), "--lang", language)
    assert ran.code == 0
    assert "proof none" in ran.out
    assert "note_proof_none" in ran.out
    assert f"freehold golden record {mlp}" in ran.out


@pytest.mark.parametrize(("required", "code"), [("none", 0), ("self", 1), ("raw", 1)])
def test_less_proof_than_required_fails(freehold: Freehold, mlp: Path, required: str, code: int) -> None:
    """A pipeline says what it wants."""
    ran = freehold("verify", str(mlp), "--require", required, "--json")
    assert ran.code == code
    if code:
        assert ran.data["models"][0]["error"]["code"] == "proof_below"


def test_the_configuration_may_require_raw(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """`require: {proof: always}` counts here as it does when serving; every model of the file is verified."""
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: a, source: {mlp}}}\n  - {{id: b, source: {mlp}, require: {{proof: always}}}}\n"
    )
    ran = freehold("verify", "--json")
    assert ran.code == 1
    assert [(model["id"], model["ok"]) for model in ran.data["models"]] == [("a", True), ("b", False)]
    assert freehold("verify", "a").code == 0


def test_a_model_that_cannot_be_loaded_does_not_hide_the_others(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """Each model has its own verdict."""
    (folder / "bad.onnx").write_bytes(b"not a graph")
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: bad, source: bad.onnx}}\n  - {{id: good, source: {mlp}}}\n"
    )
    ran = freehold("verify", "--json")
    assert ran.code == 1
    bad, good = ran.data["models"]
    assert (bad["ok"], bad["error"]["code"]) == (False, "graph_invalid")
    assert good["ok"]
    assert "bad: not loaded" in freehold("verify").out


def test_precision_and_device_can_be_chosen(freehold: Freehold, mlp: Path) -> None:
    """What the runtime cannot compute in is an error, not a silent fp32."""
    ran = freehold("verify", str(mlp), "--precision", "bf16", "--json")
    assert ran.code == 1
    assert ran.data["models"][0]["error"]["code"] == "precision_unavailable"
    ran = freehold("verify", str(mlp), "--precision", "fp32", "--device", "openvino", "--json")
    assert (ran.code, ran.data["models"][0]["precision"]) == (0, "fp32")


def test_a_budget_leaves_at_least_one_case(freehold: Freehold, mlp: Path) -> None:
    """No time at all still replays one case, and says how many there are."""
    assert freehold("golden", "record", str(mlp)).code == 0
    ran = freehold("verify", str(mlp), "--budget-s", "0", "--json")
    assert ran.code == 0
    (golden,) = ran.data["models"][0]["goldens"]
    assert (golden["cases"], golden["replayed"]) == (8, 1)


def test_a_model_that_is_not_there_is_an_error(freehold: Freehold, folder: Path) -> None:
    """Its path, and what lies there instead."""
    ran = freehold("verify", "absent.onnx", "--json")
    assert ran.code == 1
    assert ran.data["models"][0]["error"]["code"] == "model_path_missing"


def test_models_of_other_programs_are_passed_over_beside_ours(freehold: Freehold, mlp: Path, folder: Path) -> None:
    """With a note: nothing of them can be verified. Named alone, such a model is refused."""
    config = folder / "freehold.yaml"
    config.write_text(f"models: [{{source: '{mlp}'}}, {{id: theirs, source: 'http://127.0.0.1:9/v1'}}]\n")
    ran = freehold("verify", str(config), "--json")
    assert ran.code == 0
    assert [(model["id"], model["ok"], model["proof"]) for model in ran.data["models"]] == [
        ("mlp", True, "none"),
        ("theirs", True, "none"),
    ]
    assert "theirs is computed by another program" in freehold("verify", str(config)).out
    alone = freehold("verify", "theirs", "--json")
    assert alone.code == 1
    assert alone.data["models"][0]["error"]["code"] == "source_is_upstream"
