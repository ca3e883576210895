"""Answers that users recorded elsewhere, in both forms."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from freehold.adapt.recorded_answers import read_answers
from freehold.artifact import TensorSpec
from freehold.engine.providers import Feeds
from freehold.errors import FreeholdError

X = np.arange(6, dtype=np.float64).reshape(2, 3)


@dataclass(frozen=True)
class Graph:
    """As far as this asks of a session: what goes in and comes out."""

    inputs: tuple[TensorSpec, ...] = (TensorSpec("x", "FP32", (-1, 3)),)
    outputs: tuple[TensorSpec, ...] = (TensorSpec("y", "FP32", (-1, 3)), TensorSpec("n", "INT64", (-1,)))
    precision: str = "fp32"

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray]:
        raise NotImplementedError


def test_arrays_of_one_call_are_a_golden(tmp_path: Path) -> None:
    """In the types of the graph; it counts as raw, since it comes from elsewhere."""
    np.savez(tmp_path / "a.npz", **{"in.x": X, "out.y": X + 1})
    golden = read_answers(tmp_path / "a.npz", Graph(), "sha256:1")
    assert golden.raw
    assert golden.recorded_by.version == "a.npz"
    assert golden.cases[0].label == "batch 2"
    assert golden.cases[0].inputs["x"].array().dtype == np.float32
    assert set(golden.cases[0].outputs) == {"y"}


def test_several_calls_are_told_apart_by_their_first_word(tmp_path: Path) -> None:
    """And kept in their order."""
    np.savez(tmp_path / "a.npz", **{"b.in.x": X, "b.out.y": X, "a.in.x": X[:1], "a.out.y": X[:1]})
    golden = read_answers(tmp_path / "a.npz", Graph(), "sha256:1")
    assert [case.label for case in golden.cases] == ["batch 2", "batch 1"]


def test_lines_are_calls(tmp_path: Path) -> None:
    """With a label of their own; empty lines are passed over."""
    line = {"inputs": {"x": X.tolist()}, "outputs": {"n": [1, 2]}, "label": "long"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n\n")
    case = read_answers(tmp_path / "a.jsonl", Graph(), "sha256:1").cases[0]
    assert case.label == "long"
    assert case.outputs["n"].array().tolist() == [1, 2]


def test_every_broken_line_is_told_with_its_number(tmp_path: Path) -> None:
    """Not only the first."""
    (tmp_path / "a.jsonl").write_text('{"inputs": 1}\n{"inputs": {}, "outputs": {}}\nnot json\n')
    with pytest.raises(FreeholdError, match=r"line 1: .*line 3: "):
        read_answers(tmp_path / "a.jsonl", Graph(), "sha256:1")


@pytest.mark.parametrize(
    ("arrays", "shown"),
    [
        ({"in.x": X}, "as output it has"),
        ({"out.y": X}, "as input it has x"),
        ({"in.x": X, "out.z": X}, "as output it has z"),
        ({"in.x": X[:, :2], "out.y": X}, r"x \[2, 2\]"),
        ({"in.x": X[0], "out.y": X}, r"x \[3\]"),
    ],
)
def test_what_does_not_suit_the_graph_is_told(tmp_path: Path, arrays: dict[str, np.ndarray], shown: str) -> None:
    """Missing inputs and outputs, others, and wrong shapes, with what is wanted."""
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(FreeholdError, match=shown) as raised:
        read_answers(tmp_path / "a.npz", Graph(), "sha256:1")
    assert raised.value.code == "answers_unsuitable"


def test_files_that_hold_no_answers_are_told(tmp_path: Path) -> None:
    """Missing, damaged, empty, pickled, or with names that say no way."""
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty.jsonl").write_text("")
    np.savez(tmp_path / "names.npz", x=X)
    np.savez(tmp_path / "pickled.npz", **{"in.x": np.array([object()])})
    for name in ("missing.npz", "missing.jsonl", "cut.npz", "empty.jsonl", "names.npz", "pickled.npz"):
        with pytest.raises(FreeholdError, match="answers_unreadable"):
            read_answers(tmp_path / name, Graph(), "sha256:1")
