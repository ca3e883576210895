"""`freehold check`: the table and its exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Freehold = Callable[..., Any]
KEYS = {"id", "status", "found", "needed", "why", "fix"}


def by_id(ran: Any) -> dict[str, Any]:
    return {row["id"]: row for row in ran.data["checks"]}


def test_a_proven_model_on_a_fit_machine_passes(freehold: Freehold, minilm_artifact: Path) -> None:
    """Every row is there, whole, and none fails."""
    ran = freehold("check", str(minilm_artifact), "--json")
    assert (ran.code, ran.data["ok"]) == (0, True)
    assert all(set(row) == KEYS for row in ran.data["checks"])
    assert all(row["why"] and row["fix"] for row in ran.data["checks"])
    rows = by_id(ran)
    assert {"config", "runtimes", "memory", "state", "disk", "bf16"} < set(rows)
    (proof,) = (row for name, row in rows.items() if name.startswith("verify:"))
    assert proof["status"] == "ok"
    assert proof["found"].startswith("raw: ")


def test_a_model_without_goldens_is_a_warning(freehold: Freehold, mlp: Path) -> None:
    """It can be served, and nothing proves it."""
    ran = freehold("check", str(mlp), "--json")
    assert ran.code == 0
    assert by_id(ran)["verify:mlp"]["status"] == "warn"
    assert "freehold golden record" in by_id(ran)["verify:mlp"]["fix"]
    told = freehold("check", str(mlp)).out
    assert "warn  verify:mlp" in told
    assert "1 warn, 0 fail" in told


def test_a_failed_proof_fails_the_check(freehold: Freehold, permuted_minilm: Path) -> None:
    """The row says which output differs."""
    ran = freehold("check", str(permuted_minilm), "--json")
    assert (ran.code, ran.data["ok"]) == (1, False)
    row = by_id(ran)["verify:permuted"]
    assert row["status"] == "fail"
    assert "output embeddings" in row["found"]


def test_a_wrong_configuration_fails_with_each_problem(freehold: Freehold, folder: Path) -> None:
    """The machine's rows are there all the same."""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: a.onnx, devise: cpu}]\nlimit: {}\n")
    ran = freehold("check", "--json")
    assert ran.code == 1
    problems = [row for row in ran.data["checks"] if row["id"] == "config"]
    assert len(problems) == 2
    assert all(row["status"] == "fail" for row in problems)
    assert by_id(ran)["memory"]["status"] == "ok"


@pytest.mark.parametrize(("language", "word"), [("en", "Weights are held"), ("zh", "权重")])
def test_reasons_are_in_the_readers_language(freehold: Freehold, mlp: Path, language: str, word: str) -> None:
    """Why and fix follow --lang."""
    ran = freehold("check", str(mlp), "--json", "--lang", language)
    assert word in by_id(ran)["memory"]["why"]


def test_a_model_that_is_not_here_fails_with_its_path(freehold: Freehold, folder: Path) -> None:
    """Said once, by the configuration's row."""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: absent.onnx}]\n")
    ran = freehold("check", "--json")
    assert ran.code == 1
    assert by_id(ran)["config"]["status"] == "fail"
    assert "absent.onnx" in by_id(ran)["config"]["found"]
    assert "verify:a" not in by_id(ran)


def test_what_is_deployed_from_here_is_checked_by_the_doctor(freehold: Freehold, folder: Path, mlp: Path) -> None:
    """Its checks that say something stand among the rows; without `deploy:` none does."""
    (folder / "freehold.yaml").write_text(f'models: [{{id: mlp, source: "{mlp}"}}]\ndeploy: {{port: 18080}}\n')
    rows = by_id(freehold("check", "--json"))
    assert rows["doctor:ports"]["found"] == "18080 free"
    assert rows["doctor:session:cpu"]["status"] == "ok"
    assert {row["status"] for row in rows.values()} <= {"ok", "warn", "fail"}
    (folder / "freehold.yaml").write_text(f'models: [{{id: mlp, source: "{mlp}"}}]\n')
    assert not any(name.startswith("doctor:") for name in by_id(freehold("check", "--json")))
