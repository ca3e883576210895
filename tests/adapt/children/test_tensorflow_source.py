"""What is refused before anything of it runs, and what the framework's own refusals become."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import freehold

JOBS: dict[str, dict[str, Any]] = {
    "writer": {},
    "loading_writer": {},
    "caller": {},
    "inverse": {},
    "texts": {},
    "no_signature": {},
    "broken": {},
    "lambda.keras": {},
    "lambda.h5": {},
    "custom.keras": {},
    "only.weights.h5": {},
    "broken.keras": {},
    "broken.h5": {},
    "two_answers signature": {"signature": "other"},
    "sequential.h5 signature": {"signature": "other"},
    "two_answers opset": {"opset": 99},
    "two_answers count": {"shapes": [[1, 4], [1, 4]]},
    "two_answers shape": {"shapes": [[1, 5]]},
}


@pytest.fixture(scope="module")
def answers(
    tensorflow_models: Path, tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What the child says to each of JOBS; the name of a job begins with its source."""
    broken = tmp_path_factory.mktemp("broken")
    (broken / "broken").mkdir()
    for name in ("broken/saved_model.pb", "broken.keras", "broken.h5"):
        (broken / name).write_bytes(b"\xff no model")

    def source(name: str) -> str:
        file = name.split(" ")[0]
        return str((broken if file.startswith("broken") else tensorflow_models) / file)

    packages = tmp_path_factory.mktemp("packages")
    (packages / "freehold").symlink_to(Path(freehold.__file__).parent)
    script = Path(__file__).parent / "tensorflow_asked.py"
    asked = subprocess.run(
        [tensorflow_python, script, tmp_path_factory.mktemp("asked")],
        input=json.dumps({name: {"source": source(name), **job} for name, job in JOBS.items()}),
        env={"PYTHONPATH": str(packages), "HOME": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-4000:]
    told: dict[str, dict[str, Any]] = json.loads(asked.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("writer", "tensorflow_acts", ["WriteFile"]),
        ("loading_writer", "tensorflow_acts", ["WriteFile"]),
        ("caller", "tensorflow_acts", ["PyFunc"]),
        ("lambda.keras", "keras_code", ["twice (Lambda)"]),
        ("lambda.h5", "keras_code", ["twice (Lambda)"]),
    ],
)
def test_payloads_are_refused_and_named(
    answers: dict[str, Any], tensorflow_models: Path, name: str, code: str, words: list[str]
) -> None:
    """Each writes a file when it runs, where nothing stops it: there is none, and the error names what was found."""
    assert answers[name]["code"] == code
    assert all(word in str(answers[name]["details"]) for word in words)
    assert not (tensorflow_models / "ran").exists()


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("custom.keras", "keras_custom", ["sale (Discount)"]),
        ("only.weights.h5", "keras_weights_only", []),
        ("broken.keras", "tensorflow_source_invalid", ["BadZipFile"]),
        ("broken.h5", "tensorflow_source_invalid", ["signature"]),
        ("broken", "tensorflow_source_invalid", ["Cannot parse"]),
        ("no_signature", "tensorflow_no_signature", []),
        ("two_answers signature", "tensorflow_signature", ["other", "pair, serving_default"]),
        ("sequential.h5 signature", "keras_signature", ["other"]),
        ("inverse", "tensorflow_ops_unsupported", ["Svd"]),
        ("texts", "datatype_unsupported", ["string"]),
        ("two_answers opset", "tensorflow_opset", ["99"]),
        ("two_answers count", "input_shapes_count", ["x [batch, 4]"]),
        ("two_answers shape", "input_shape_misfit", ["[1, 5]", "[batch, 4]"]),
    ],
)
def test_mistakes_have_their_own_error(answers: dict[str, Any], name: str, code: str, words: list[str]) -> None:
    """With the values seen, so that its text needs no log."""
    assert answers[name].get("code") == code, answers[name]
    assert all(word in str(answers[name]["details"]) for word in words), answers[name]
