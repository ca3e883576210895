"""Lines that a user wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.quantize.examples import (
    Example,
    halves,
    random_examples,
    read_examples,
    recorded_examples,
)
from freehold.artifact import Case, MadeBy, Manifest, Tensor, TensorSpec
from freehold.errors import FreeholdError


def manifest(kind: Any, **more: Any) -> Manifest:
    inputs = (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("n", "INT64", (-1,)))
    return Manifest(1, "m", kind, "tensor", "fp32", inputs, (), MadeBy("t", "1", ""), {}, **more)


def written(folder: Path, *lines: object) -> Path:
    path = folder / "examples.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


@pytest.mark.parametrize(
    ("kind", "line", "wanted"),
    [
        ("embed", {"text": "a"}, Example({"text": "a"})),
        ("embed", {"text": "a", "label": "x"}, Example({"text": "a"}, "x")),
        ("rerank", {"query": "q", "text": "a", "label": 1}, Example({"query": "q", "text": "a"}, 1)),
        ("generate", {"text": "a"}, Example({"text": "a"})),
        ("generate", {"input": "a", "expected": "b"}, Example({"text": "a"}, "b")),
    ],
)
def test_texts(tmp_path: Path, kind: str, line: object, wanted: Example) -> None:
    """Each kind of text has its form; empty lines are passed over."""
    assert read_examples(written(tmp_path, "", line, ""), manifest(kind)) == [wanted]


def test_tensors(tmp_path: Path) -> None:
    """Tensors take the datatype of their input, and a class may be expected."""
    (example,) = read_examples(
        written(tmp_path, {"input": {"x": [[1, 2]], "n": [3]}, "expected": 1}), manifest("tensor")
    )
    assert example.parts["x"].dtype == np.float32
    assert example.expected == 1


def test_every_broken_line_is_told(tmp_path: Path) -> None:
    """All broken lines are reported with their numbers, before anything starts."""
    path = written(tmp_path, {"text": "a"}, "{", {"texts": "b"}, {"text": 3}, "[]", {"text": "c", "score": 1})
    with pytest.raises(FreeholdError) as raised:
        read_examples(path, manifest("embed"))
    assert raised.value.code == "quantize_data_broken"
    assert raised.value.details["count"] == 5
    for number in (2, 3, 4, 5, 6):
        assert f"line {number}:" in raised.value.cause
    assert "line 1:" not in raised.value.cause


def test_many_broken_lines(tmp_path: Path) -> None:
    """Of many, the first are explained and the numbers of all others listed."""
    with pytest.raises(FreeholdError) as raised:
        read_examples(written(tmp_path, *["{"] * 14), manifest("embed"))
    assert "line 10:" in raised.value.cause
    assert "lines 11, 12, 13, 14" in raised.value.cause


@pytest.mark.parametrize(
    ("kind", "line", "reason"),
    [
        ("embed", {"query": "q", "text": "a"}, "`query` is not known"),
        ("rerank", {"text": "a"}, "`query` is missing"),
        ("rerank", {"query": "q", "text": "a", "label": "yes"}, "a number is wanted"),
        ("classify", {"text": "a", "label": "bad"}, "no label 'bad'"),
        ("generate", {"input": "a"}, "`expected` is missing"),
        ("generate", {"query": "a", "text": "b"}, "`query` is not known"),
        ("tensor", {"text": "a"}, "`input` is missing"),
        ("tensor", {"input": {"y": [1]}}, "its inputs are"),
        ("tensor", {"input": [[1, 2]]}, "its inputs are"),
        ("tensor", {"input": {"x": [[1, 2, 3]], "n": [1]}}, "the shape [1, 3]"),
        ("tensor", {"input": {"x": [["a", "b"]], "n": [1]}}, "could not convert"),
        ("tensor", {"input": {"x": [[1, 2]], "n": [1]}, "expected": "cat"}, "the number of a class"),
    ],
)
def test_fields_of_another_kind(tmp_path: Path, kind: str, line: object, reason: str) -> None:
    """A line for another kind of model is told by what is wrong in it."""
    with pytest.raises(FreeholdError) as raised:
        read_examples(written(tmp_path, line), manifest(kind, labels=("good", "fair")))
    assert reason in raised.value.cause


def test_no_examples(tmp_path: Path) -> None:
    """An empty file, and none."""
    for path, code in (
        (written(tmp_path, "", " "), "quantize_data_empty"),
        (tmp_path / "absent.jsonl", "quantize_data_unreadable"),
    ):
        with pytest.raises(FreeholdError) as raised:
            read_examples(path, manifest("embed"))
        assert raised.value.code == code


def test_recorded() -> None:
    """Golden cases are examples; of a decoder the recorded answer belongs to them."""
    tokens = Tensor.of(np.arange(3))
    (text,) = recorded_examples([Case({"text": "a"}, {"embeddings": tokens})], "embed")
    assert text.text() == "a"
    (answer,) = recorded_examples([Case({"prompt_ids": tokens}, {"token_ids": tokens})], "generate")
    assert set(answer.parts) == {"prompt_ids", "answer_ids"}


def test_random() -> None:
    """Random tensors fit the inputs, and are the same for one seed."""
    first, second = (random_examples(manifest("tensor"), 2, seed=3) for _ in range(2))
    assert first[0].parts["x"].shape == (4, 2)
    assert first[0].parts["n"].dtype == np.int64
    np.testing.assert_array_equal(first[1].parts["x"], second[1].parts["x"])


def test_halves() -> None:
    """Both halves together are everything, in a seeded order; one example serves twice."""
    examples = [Example({"text": str(i)}) for i in range(7)]
    first, second = halves(examples, 0)
    assert sorted(e.text() for e in (*first, *second)) == [str(i) for i in range(7)]
    assert halves(examples, 0) == (first, second)
    assert halves(examples[:1], 0) == (examples[:1], examples[:1])
