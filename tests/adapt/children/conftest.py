"""What the TensorFlow child answers to many jobs, asked in one process for the whole session."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import freehold

Answers = dict[str, dict[str, Any]]

# A name begins with the source; broken ones are made here, all others by tensorflow_models.py.
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
    "two_answers input": {"shapes": [[1, 4]], "names": ["z"]},
    "words named": {"shapes": [[2, 7]], "names": ["mask"]},
    "any_rank": {},
    "places long": {"shapes": [[1, 17]]},
    "places": {},
    "any_rank shape": {"shapes": [[2, 3]]},
    "two_answers pair": {"signature": "pair", "opset": 15},
    "two_answers": {"shapes": [[5, 4]]},
    "words": {},
    "custom": {},
    "attention.keras": {},
    "sequential.h5": {},
}


@pytest.fixture(scope="session")
def tensorflow_answers(
    tensorflow_models: Path, tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """What the child says to each of JOBS: a result with the path of its graph, or a code with details."""
    broken, packages, out = (tmp_path_factory.mktemp(name) for name in ("broken", "packages", "answers"))
    (broken / "broken").mkdir()
    for name in ("broken/saved_model.pb", "broken.keras", "broken.h5"):
        (broken / name).write_bytes(b"\xff no model")

    def source(name: str) -> str:
        file = name.split(" ")[0]
        return str((broken if file.startswith("broken") else tensorflow_models) / file)

    (packages / "freehold").symlink_to(Path(freehold.__file__).parent)
    asked = subprocess.run(
        [tensorflow_python, Path(__file__).parent / "tensorflow_asked.py", out],
        input=json.dumps({name: {"source": source(name), **job} for name, job in JOBS.items()}),
        env={"PYTHONPATH": str(packages), "HOME": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-4000:]
    answers: Answers = json.loads(asked.stdout.splitlines()[-1])
    return {name: {**answer, "graph": str(out / name / "model.onnx")} for name, answer in answers.items()}


def largest_differences(graph: Path) -> dict[str, float]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst: dict[str, float] = {}
    with np.load(graph.parent / "cases.npz") as cases:
        for case in sorted({key.split(".")[0] for key in cases.files}):
            feeds = {value.name: cases[f"{case}.in.{value.name}"] for value in session.get_inputs()}
            for value, answer in zip(session.get_outputs(), session.run(None, feeds), strict=True):
                expected = cases[f"{case}.out.{value.name}"]
                assert answer.shape == expected.shape
                worst[value.name] = max(worst.get(value.name, 0.0), float(np.abs(answer - expected).max()))
    return worst


@pytest.fixture(scope="session")
def replayed() -> Callable[[Path], dict[str, float]]:
    """`replayed(model.onnx)`: by output the largest difference from the cases that were recorded beside it."""
    return largest_differences
