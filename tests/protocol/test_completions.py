"""OpenAI's plain completions, read."""

import json
from typing import Any

import pytest

from freehold.errors import FreeholdError, Kind
from freehold.protocol.completions import CompletionRequest, parse_completion


def parse(**fields: Any) -> CompletionRequest:
    return parse_completion(json.dumps({"prompt": "A", **fields}).encode())


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("A", ["A"]),
        (["A", "B"], ["A", "B"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ("", [""]),
    ],
)
def test_prompts_take_four_forms(prompt: Any, prompts: list[Any]) -> None:
    """A text, texts, token ids, lists of token ids."""
    assert parse(prompt=prompt).prompts() == prompts


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"prompt": []}, "list_empty"),
        ({"prompt": [[]]}, "list_empty"),
        ({"prompt": ["A", 1]}, "input_mixed"),
        ({"prompt": [-1]}, "request_invalid"),
        ({"prompt": None}, "request_invalid"),
        ({"suffix": "end"}, "field_unsupported"),
        ({"best_of": 3}, "parameter_invalid"),
        ({"best_of": 3, "n": 2}, "parameter_invalid"),
        ({"echo": True, "logprobs": 1}, "field_unsupported"),
        ({"logprobs": 21}, "request_invalid"),
        ({"logprobs": True}, "request_invalid"),
        ({"prompt": ["A"] * 9, "n": 16}, "parameter_invalid"),
        ({"max_tokens": 0}, "parameter_invalid"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], code: str) -> None:
    """A request that would mean something else is never answered."""
    with pytest.raises(FreeholdError, match=code) as error:
        parse(**fields)
    assert error.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "fields",
    [
        {"best_of": 1},
        {"best_of": 2, "n": 2},
        {"echo": True},
        {"echo": False, "logprobs": 0},
        {"suffix": ""},
        {"suffix": None, "user": "u"},
    ],
)
def test_what_changes_nothing_passes(fields: dict[str, Any]) -> None:
    """Old clients send all of these."""
    assert parse(**fields).prompts() == ["A"]
