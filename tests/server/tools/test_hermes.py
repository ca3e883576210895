"""Calls in the form of Hermes and Qwen."""

from collections.abc import Callable

import pytest

from freehold.server.tools.events import CallArguments, CallBegin, CallEnd, Event, Text
from freehold.server.tools.hermes import HermesParser

Parse = Callable[..., list[Event]]
Call = Callable[[int, str, str], list[Event]]

ONE = '<tool_call>\n{"name": "f", "arguments": {"a": "<tool_call>"}}\n</tool_call>'
TWO = '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>'


def test_calls_come_one_after_another_behind_the_content(parse: Parse, call: Call) -> None:
    """The text before is content; whitespace between is dropped; text behind is content too."""
    events = parse(HermesParser, f"Let me see.\n\n{ONE}\n{TWO}\n\nDone.")
    assert events == [
        Text("Let me see."),
        *call(0, "f", '{"a": "<tool_call>"}'),
        *call(1, "g", "{}"),
        Text("Done."),
    ]
    assert parse(HermesParser, f"{ONE}\n") == call(0, "f", '{"a": "<tool_call>"}')


@pytest.mark.parametrize("text", [TWO.removesuffix("</tool_call>"), TWO.removesuffix("\n</tool_call>"), TWO + " \n"])
def test_a_missing_end_marker_does_not_matter(text: str, parse: Parse, call: Call) -> None:
    """Models forget it at the end of an answer."""
    assert parse(HermesParser, text) == call(0, "g", "{}")
    assert parse(HermesParser, text + ONE) == [*call(0, "g", "{}"), *call(1, "f", '{"a": "<tool_call>"}')]


def test_a_missing_bracket_does_not_spoil_the_next_call(parse: Parse, call: Call) -> None:
    """The first call ends where it breaks, and the second is read."""
    broken = '<tool_call>\n{"name": "f", "arguments": {"a": 1}\n</tool_call>\n'
    assert parse(HermesParser, broken + TWO) == [*call(0, "f", '{"a": 1}'), *call(1, "g", "{}")]


def test_what_is_no_call_is_content(parse: Parse, call: Call) -> None:
    """With its marker; a call behind it is read."""
    assert parse(HermesParser, "a <tool_call>\nfoo</tool_call>") == [Text("a <tool_call>\nfoo</tool_call>")]
    assert parse(HermesParser, f"<tool_call>\nfoo\n{TWO}") == [Text("<tool_call>\nfoo"), *call(0, "g", "{}")]
    assert parse(HermesParser, "<tool_call>") == [Text("<tool_call>")]


def test_an_answer_cut_short_ends_its_call(parse: Parse) -> None:
    """`max_tokens` in the midst of arguments: the client gets what there is."""
    events = parse(HermesParser, '<tool_call>\n{"name": "f", "arguments": {"a": ')
    assert events == [CallBegin(0, "0", "f"), CallArguments(0, '{"a": '), CallEnd(0)]
