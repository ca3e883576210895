"""Graphs with names a person can read, and cases that ONNX Runtime answers as TensorFlow did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

Answers = dict[str, dict[str, Any]]
Shapes = dict[str, list[int | str]]


def shapes_of(rows: list[dict[str, Any]]) -> Shapes:
    return {row["name"]: row["shape"] for row in rows}


def labels(answer: dict[str, Any]) -> list[str]:
    return [case["label"] for case in answer["cases"]]


@pytest.mark.parametrize(
    "name", ["two_answers", "two_answers pair", "words", "attention.keras", "sequential.h5", "custom"]
)
def test_every_case_is_answered_alike(
    tensorflow_answers: Answers, replayed: Callable[[Path], dict[str, float]], name: str
) -> None:
    """Within 1e-5, in every shape class."""
    worst = replayed(Path(tensorflow_answers[name]["graph"]))
    assert set(worst) == {row["name"] for row in tensorflow_answers[name]["outputs"]}
    assert max(worst.values()) <= 1e-5


def test_free_dimensions_have_names_in_result_and_graph(tensorflow_answers: Answers) -> None:
    """An input that nothing uses stays an input, a scalar has no dimensions, and outputs say whose size they have."""
    answer = tensorflow_answers["words"]
    inputs, outputs = shapes_of(answer["inputs"]), shapes_of(answer["outputs"])
    assert inputs == {"ids": ["batch", "ids.length"], "mask": ["batch", "mask.length"], "mode": []}
    assert outputs == {"embedding": ["batch", 8], "states": ["batch", "ids.length", 8]}
    graph = onnx.load(answer["graph"]).graph
    written = {
        value.name: [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert written == {**inputs, **outputs}
    assert labels(answer) == ["batch 1", "batch 3", "long"]


def test_constants_that_are_no_weights_stay_inside(tensorflow_answers: Answers) -> None:
    """The statistics of a Normalization are captured by the function, and are no inputs of the graph."""
    answer = tensorflow_answers["attention.keras"]
    assert shapes_of(answer["inputs"]) == {"ids": ["batch", "length"]}
    assert shapes_of(answer["outputs"]) == {"first": ["batch", 8], "states": ["batch", "length", 8]}


def test_a_fixed_signature_stays_fixed(tensorflow_answers: Answers) -> None:
    """Chosen by its name, written in the opset that was asked for."""
    answer = tensorflow_answers["two_answers pair"]
    assert shapes_of(answer["inputs"]) == {"x": [2, 4]}
    assert labels(answer) == ["fixed"]
    assert answer["opset"] == 15
    assert [one.version for one in onnx.load(answer["graph"]).opset_import if not one.domain] == [15]


def test_a_sample_shape_is_recorded_too(tensorflow_answers: Answers) -> None:
    """The batch that the user names, beside 1 and 3."""
    assert labels(tensorflow_answers["two_answers"]) == ["batch 1", "batch 3", "batch 5"]


def test_shapes_may_be_given_by_name(tensorflow_answers: Answers) -> None:
    """Of one input alone; the model then refuses lengths that differ from the other's."""
    assert tensorflow_answers["words named"]["code"] == "tensorflow_sample_refused"
    assert "mask [1, 7]" in tensorflow_answers["words named"]["details"]["inputs"]


def test_a_rank_that_nobody_says_is_taken_from_the_sample(tensorflow_answers: Answers) -> None:
    """Without one, the error says which input."""
    assert tensorflow_answers["any_rank"]["code"] == "tensorflow_rank"
    answer = tensorflow_answers["any_rank shape"]
    assert shapes_of(answer["inputs"]) == {"x": ["batch", "length"]}
    assert shapes_of(answer["outputs"]) == {"y": ["batch", "length"]}


def test_sizes_that_the_model_itself_refuses(tensorflow_answers: Answers) -> None:
    """The first size is an error; a further class is left out, and said."""
    refused = tensorflow_answers["places long"]
    assert refused["code"] == "tensorflow_sample_refused"
    assert "x [1, 17]" in refused["details"]["inputs"]
    answer = tensorflow_answers["places"]
    assert labels(answer) == ["batch 1", "batch 3"]
    assert list(answer["refused"]) == ["long"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("texts", "datatype_unsupported", ["string"]),
        ("two_answers opset", "tensorflow_opset", ["99"]),
        ("two_answers input", "tensorflow_input", ["z", "x"]),
        ("two_answers count", "input_shapes_count", ["x [batch, 4]"]),
        ("two_answers shape", "input_shape_misfit", ["[1, 5]", "[batch, 4]"]),
    ],
)
def test_what_was_asked_for_and_cannot_be(tensorflow_answers: Answers, name: str, code: str, words: list[str]) -> None:
    """Each with the values seen."""
    answer = tensorflow_answers[name]
    assert answer.get("code") == code, answer
    assert all(word in str(answer["details"]) for word in words), answer
