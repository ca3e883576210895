"""What is refused before anything of it runs, and what the framework's own refusals become."""

from pathlib import Path
from typing import Any

import pytest


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
    tensorflow_answers: dict[str, Any], tensorflow_models: Path, name: str, code: str, words: list[str]
) -> None:
    """Each writes a file when it runs, and nothing isolates this child: there is none, and the error names what was."""
    answer = tensorflow_answers[name]
    assert answer["code"] == code
    assert all(word in str(answer["details"]) for word in words)
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
    ],
)
def test_mistakes_have_their_own_error(
    tensorflow_answers: dict[str, Any], name: str, code: str, words: list[str]
) -> None:
    """With the values seen, so that its text needs no log."""
    answer = tensorflow_answers[name]
    assert answer.get("code") == code, answer
    assert all(word in str(answer["details"]) for word in words), answer


def test_a_layer_of_ones_own_comes_through_its_saved_model(tensorflow_answers: dict[str, Any]) -> None:
    """What a .keras file cannot bring without its Python, the SavedModel that Keras exports brings as a graph."""
    assert [row["name"] for row in tensorflow_answers["custom"]["outputs"]] == ["output_0"]
