"""Calls in Mistral's two forms."""

import re
from collections.abc import Callable

import pytest

from freehold.server.tools.events import CallBegin, Event, Text
from freehold.server.tools.mistral import MistralParser

Parse = Callable[..., list[Event]]
Call = Callable[[int, str, str], list[Event]]
ONE = '{"name": "f", "arguments": {"a": 1}}'
TWO = '{"name": "g", "arguments": {}, "id": "abcdefghi"}'


@pytest.mark.parametrize(
    "text",
    [
        f"[TOOL_CALLS] [{ONE}, {TWO}]",
        f"[TOOL_CALLS][{ONE},{TWO} ] ",
        f"[TOOL_CALLS] [{ONE}, {TWO}",
        '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}',
        '[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS] {"a": 1} [TOOL_CALLS]g [ARGS]{}',
        f"[TOOL_CALLS]{ONE}[TOOL_CALLS] {TWO}",
    ],
)
def test_both_forms_are_read(text: str, parse: Parse, call: Call) -> None:
    """A list of objects, and a name with arguments behind it."""
    assert parse(MistralParser, text) == [*call(0, "f", '{"a": 1}'), *call(1, "g", "{}")]


def test_content_stands_before_and_behind(parse: Parse, call: Call) -> None:
    """As in the other forms."""
    assert parse(MistralParser, f"Hm. [TOOL_CALLS] [{ONE}] Done.") == [
        Text("Hm."),
        *call(0, "f", '{"a": 1}'),
        Text("Done."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[TOOL_CALLS] []",
        "[TOOL_CALLS] nothing",
        "[TOOL_CALLS] f[ARGS]",
        "[TOOL_CALLS]",
        "[TOOL_CALLS][ARGS]{}",
        "[TOOL",
    ],
)
def test_what_is_no_call_is_content(text: str, parse: Parse) -> None:
    """With its marker."""
    assert parse(MistralParser, text) == [Text(text)]


def test_what_is_wrong_in_a_list_is_content(parse: Parse, call: Call) -> None:
    """The calls before it stand."""
    assert parse(MistralParser, f"[TOOL_CALLS] [{ONE}, oops]") == [*call(0, "f", '{"a": 1}'), Text(", oops]")]


def test_ids_are_those_that_its_template_takes_back() -> None:
    """Nine letters and digits."""
    begin = MistralParser().push(f"[TOOL_CALLS] [{ONE}]")[0]
    assert isinstance(begin, CallBegin)
    assert re.fullmatch(r"[A-Za-z0-9]{9}", begin.id)
