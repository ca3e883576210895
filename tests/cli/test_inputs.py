"""Inputs written as JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import MadeBy, Manifest, Tensor, TensorSpec
from freehold.cli.inputs import held, read_cases, read_input, read_prompts, read_tensors
from freehold.errors import FreeholdError

SPECS = (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("ids", "INT64", (-1,)))
TEXT = (TensorSpec("text", "BYTES", (-1,)),)


def manifest(kind: Any, inputs: tuple[TensorSpec, ...] = ()) -> Manifest:
    return Manifest(1, "m", kind, "tensor", "fp32", inputs, (), MadeBy("test", "", ""), {})


def read(document: object, specs: tuple[TensorSpec, ...] = SPECS) -> dict[str, np.ndarray]:
    return read_tensors(json.dumps(document).encode(), "here", specs)


@pytest.mark.parametrize(
    "document",
    [
        {"x": [[1, 2], [3, 4]], "ids": [5, 6]},
        {"x": {"data": [[1, 2], [3, 4]]}, "ids": {"datatype": "INT64", "shape": [2], "data": [5, 6]}},
        {"x": {"shape": [2, 2], "data": [1, 2, 3, 4]}, "ids": [5, 6]},
        {
            "inputs": [
                {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]},
                {"name": "ids", "datatype": "INT64", "shape": [2], "data": [5, 6]},
            ]
        },
    ],
)
def test_every_form_reads_the_same(document: object) -> None:
    """Nested values, values with a shape, a whole request body."""
    arrays = read(document)
    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[1, 2], [3, 4]]
    assert arrays["ids"].dtype == np.int64
    assert arrays["ids"].tolist() == [5, 6]


def test_texts_and_lone_values() -> None:
    """BYTES inputs are texts; a value without a list is one for an input without dimensions."""
    assert read({"text": ["a", "甲"]}, TEXT)["text"].tolist() == ["a", "甲"]
    assert read({"inputs": ["a"]}, (TensorSpec("inputs", "BYTES", (-1,)),))["inputs"].tolist() == ["a"]
    scalar = read({"s": 1.5}, (TensorSpec("s", "FP32", ()),))["s"]
    assert (scalar.shape, float(scalar)) == ((), 1.5)


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ([1], "object"),
        ({"x": [[1, 2]]}, "ids"),
        ({"y": [[1, 2]], "ids": [1]}, "y"),
        ({"x": [[1, 2, 3]], "ids": [1]}, "[1, 3]"),
        ({"x": [[1, 2], [3]], "ids": [1]}, "x"),
        ({"x": [["a", "b"]], "ids": [1]}, "x"),
        ({"x": [[1, 2]], "ids": [1.5]}, "ids"),
        ({"x": None, "ids": [1]}, "x"),
        ({"x": {"datatype": "INT64", "data": [[1, 2]]}, "ids": [1]}, "x"),
    ],
)
def test_what_does_not_fit_says_where_and_what(document: object, word: str) -> None:
    """The place that was given, the reason of the protocol, the form."""
    with pytest.raises(FreeholdError, match="input_malformed") as wrong:
        read(document)
    assert wrong.value.cause.startswith("here: ")
    assert word in wrong.value.cause
    assert "datatype" in wrong.value.fix


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["x", "ids", "inputs", "data", "shape"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda document: json.dumps(document).encode())
)
def test_no_input_is_worse_than_malformed(text: bytes) -> None:
    """Any bytes, any JSON: arrays of every input, or the one error."""
    outcome: str | set[str]
    try:
        outcome = set(read_tensors(text, "here", SPECS))
    except FreeholdError as error:
        outcome = error.code
    assert outcome in ("input_malformed", {"x", "ids"})


def test_cases_are_lines(tmp_path: Path) -> None:
    """Of the form of the kind; empty lines are passed over."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "b"}\n')
    assert [case.inputs for case in read_cases(str(path), manifest("embed"))] == [{"text": "a"}, {"text": "b"}]
    path.write_text('{"query": "q", "text": "a"}')
    assert read_cases(str(path), manifest("rerank"))[0].inputs == {"query": "q", "text": "a"}
    path.write_text('{"x": [[1, 2]], "ids": [3]}')
    (case,) = read_cases(str(path), manifest("tensor", SPECS))
    assert isinstance(case.inputs["x"], Tensor)
    assert case.inputs["x"].array().tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("kind", "text", "where"),
    [
        ("embed", '{"text": "a"}\n{"txt": "a"}', ":2"),
        ("embed", '{"text": 7}', ":1"),
        ("rerank", '{"text": "a"}', ":1"),
        ("embed", "\n\nnot json", ":3"),
        ("embed", "\n", ""),
        ("tensor", '{"x": [[1, 2]]}', ":1"),
    ],
)
def test_a_wrong_line_has_its_number(tmp_path: Path, kind: str, text: str, where: str) -> None:
    """And a file without a line is no input."""
    path = tmp_path / "in.jsonl"
    path.write_text(text)
    with pytest.raises(FreeholdError, match="input_malformed") as wrong:
        read_cases(str(path), manifest(kind, SPECS))
    assert wrong.value.cause.startswith(f"{path}{where}: ")


def test_prompts_are_texts_or_messages(tmp_path: Path) -> None:
    """A line each, in the order of the file."""
    path = tmp_path / "in.jsonl"
    chat = [{"role": "user", "content": "who"}]
    path.write_text('{"prompt": "a"}\n\n' + json.dumps({"messages": chat}))
    assert read_prompts(str(path)) == ["a", chat]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"prompt": "a"}\n{"text": "a"}', ":2"),
        ('{"prompt": "a", "messages": [{}]}', ":1"),
        ('{"prompt": ""}', ":1"),
        ('{"messages": []}', ":1"),
        ("{}", ":1"),
        ("not json", ":1"),
        ("", ""),
    ],
)
def test_a_wrong_prompt_has_its_line(tmp_path: Path, text: str, where: str) -> None:
    """With both forms that are known."""
    path = tmp_path / "in.jsonl"
    path.write_text(text)
    with pytest.raises(FreeholdError, match="input_malformed") as wrong:
        read_prompts(str(path))
    assert wrong.value.cause.startswith(f"{path}{where}: ")
    assert '"messages"' in wrong.value.fix


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Absent, or a folder."""
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FreeholdError, match="input_unreadable"):
            read_input(str(path))


def test_texts_do_not_fit_into_a_golden() -> None:
    """A golden's tensors are numbers and booleans."""
    assert msgspec.json.encode(held("x", np.zeros(2, np.float32)))
    with pytest.raises(FreeholdError, match="golden_type_unsupported"):
        held("text", np.array(["a"], object))
