"""Values out of answers of any shape."""

import json
from typing import Any

import pytest

from freehold.deploy.dify.checking.check import Failed
from freehold.deploy.dify.checking.exchange import Exchange, Piece, Request
from freehold.deploy.dify.checking.reading import answered, content, dig, error_text, finish_reason, tokens, told


def answer(value: Any, status: int = 200) -> Exchange:
    """An answer with this body."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Exchange(Request("GET", "http://h/", ()), status, {}, (Piece(0.0, text.encode()),))


def test_a_path_that_ends_before_is_none() -> None:
    """Whatever stands in the way."""
    value = {"a": [{"b": 1}]}
    assert dig(value, "a", 0, "b") == 1
    for path in (("a", 1), ("a", "b"), ("x",), (0,), ("a", 0, "b", "c")):
        assert dig(value, *path) is None


def test_content_may_be_null_but_not_absent() -> None:
    """As the plugin reads a whole answer."""
    assert content(answer({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]})) == ""
    assert finish_reason(answer({"choices": [{"finish_reason": None}]})) == ""
    with pytest.raises(Failed, match="no choices"):
        content(answer({"choices": []}))
    with pytest.raises(Failed, match="HTTP 500: out of memory"):
        answered(answer({"error": {"message": "out of memory"}}, 500))


def test_counts_are_numbers_or_absent() -> None:
    """-1 where there is none."""
    assert tokens({"completion_tokens": 3}) == 3
    assert tokens(None) == tokens({"completion_tokens": None}) == -1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "a"}}, "a"),
        ({"error": "b"}, "b"),
        ({"message": "c"}, "c"),
        ({"detail": "d"}, "d"),
        ({"detail": [1]}, '{"detail": [1]}'),
        ("<html>", "<html>"),
        ("", ""),
    ],
)
def test_errors_are_read_in_every_form(body: Any, text: str) -> None:
    """OpenAI's, FastAPI's, and plain text."""
    assert error_text(answer(body, 400)) == text
    assert told(answer(body, 400)) == f"HTTP 400: {text}"
