"""One model examined: files, engine, goldens."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from freehold.artifact import Artifact, RecordedBy, save_golden, write_manifest
from freehold.artifact.golden import load_golden
from freehold.cli.examine import Examined, GoldenFile, Replayed, examine
from freehold.cli.sources import Place
from freehold.config import ModelConfig
from freehold.engine.agreement import Agreement
from freehold.engine.opening import golden_folder
from freehold.errors import FreeholdError
from freehold.machine import read_cpu
from freehold.store import Store

BY = RecordedBy("torch", "1", "sha256:0")
DIFFERENT = FreeholdError(
    "proof_failed", model="m", case=1, output="y", index=[0], expected=1, seen=2, measure="max_abs 1", allowed=0
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """This machine, with its caches in the test's folder."""
    return Place(read_cpu(), 1, tmp_path / "graphs", Store(tmp_path / "store"), tmp_path, tune=False)


def look_at(source: Path, place: Place, budget_s: float = 60.0) -> tuple[Examined, list[str]]:
    said: list[str] = []
    model = ModelConfig(id="m", source=str(source))
    return asyncio.run(examine(model, place, said.append, budget_s)), said


def golden(*, raw: bool = True, cases: int = 2, failing: bool = False) -> GoldenFile:
    replayed = tuple(Replayed(case, 0.1, DIFFERENT if failing else None) for case in range(cases))
    return GoldenFile("g.json", BY, raw, cases, replayed)


def test_goldens_lie_in_a_folder_or_beside_a_file(tmp_path: Path) -> None:
    """The places that engines read."""
    assert golden_folder(tmp_path) == tmp_path / "goldens"
    (tmp_path / "mlp.onnx").touch()
    assert golden_folder(tmp_path / "mlp.onnx") == tmp_path / "mlp.goldens"


def test_what_is_done_is_said_and_found(minilm_artifact: Path, place: Place) -> None:
    """Every file hashed, every case replayed, in the words of a progress line."""
    found, said = look_at(minilm_artifact, place)
    assert (found.error, found.proof, found.kind, found.source) == (None, "raw", "embed", str(minilm_artifact))
    (file,) = found.goldens
    assert [one.case for one in file.replayed] == list(range(file.cases))
    assert any("hashing" in text for text in said)
    assert any(f"case {file.cases} of {file.cases}" in text for text in said)


def test_replay_goes_on_after_a_failure(minilm_artifact: Path, tmp_path: Path, place: Place) -> None:
    """One recorded output is wrong: that case fails by its own number, the others pass."""
    target = tmp_path / "artifact"
    shutil.copytree(minilm_artifact, target)
    (path,) = (target / "goldens").glob("*.json")
    recorded = load_golden(path)
    cases = list(recorded.cases)
    cases[2] = msgspec.structs.replace(cases[2], outputs=cases[3].outputs)
    save_golden(path, msgspec.structs.replace(recorded, cases=tuple(cases)))
    write_manifest(target, Artifact.open(minilm_artifact).manifest)
    found, _ = look_at(target, place)
    (file,) = found.goldens
    assert [one.case for one in file.replayed if one.difference is not None] == [2]
    assert len(file.replayed) == file.cases
    assert found.proof == "failed"
    assert file.failures[0].details["case"] == 2


def test_a_file_that_differs_from_the_manifest_ends_the_examination(
    tiny_artifact: Path, tmp_path: Path, place: Place
) -> None:
    """What is not the artifact is not loaded."""
    target = tmp_path / "artifact"
    shutil.copytree(tiny_artifact, target)
    graph = target / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    found, _ = look_at(target, place)
    assert found.error is not None
    assert (found.error.code, found.kind, found.files) == ("artifact_corrupt", "", None)


def test_a_budget_takes_a_seeded_part(minilm_artifact: Path, place: Place) -> None:
    """The same case each time, and its true number."""
    first, _ = look_at(minilm_artifact, place, budget_s=0.0)
    again, _ = look_at(minilm_artifact, place, budget_s=0.0)
    assert len(first.goldens[0].replayed) == 1
    assert first.goldens[0].cases > 1
    assert first.goldens[0].replayed[0].case == again.goldens[0].replayed[0].case


def test_a_model_that_cannot_be_opened_is_a_finding(tmp_path: Path, place: Place) -> None:
    """No exception: the error is in the result, and there is no proof."""
    found, _ = look_at(tmp_path / "absent.onnx", place)
    assert found.error is not None
    assert (found.error.code, found.proof, found.trouble()) == ("model_path_missing", None, found.error)


def test_the_proof_is_the_best_that_was_replayed_and_failed_when_one_failed() -> None:
    """raw before self before none; files without cases prove nothing."""
    one = Examined("m", "/m")
    assert one.proof == "none"
    assert replace(one, goldens=(golden(raw=False),)).proof == "self"
    assert replace(one, goldens=(golden(raw=False), golden())).proof == "raw"
    assert replace(one, goldens=(golden(cases=0),)).proof == "none"
    assert replace(one, goldens=(golden(), golden(failing=True))).proof == "failed"


@pytest.mark.parametrize(
    ("goldens", "required", "code"),
    [
        ((), "none", None),
        ((), "self", "proof_below"),
        ((golden(raw=False),), "self", None),
        ((golden(raw=False),), "raw", "proof_below"),
        ((golden(),), "raw", None),
        ((golden(failing=True),), "none", "proof_failed"),
    ],
)
def test_trouble_is_a_failure_or_too_little_proof(
    goldens: tuple[GoldenFile, ...], required: str, code: str | None
) -> None:
    """What is required decides; a failure is trouble in any case."""
    trouble = Examined("m", "/m", goldens=goldens).trouble(required)
    assert (trouble.code if trouble is not None else None) == code


def test_agreement_is_with_another_framework_where_one_has_recorded() -> None:
    """Else with ourselves; of a model that generates no text there is none."""

    def of(raw: bool, share: float) -> GoldenFile:
        return GoldenFile("g.json", BY, raw, 1, (Replayed(0, 0.1, agreement=Agreement(4, share)),))

    found = Examined("m", "source")
    assert replace(found, goldens=(of(True, 0.5), of(False, 1.0))).agreement == Agreement(4, 0.5)
    assert replace(found, goldens=(of(False, 1.0),)).agreement == Agreement(4, 1.0)
    assert replace(found, goldens=(golden(),)).agreement is None
