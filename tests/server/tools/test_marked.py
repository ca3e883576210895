"""What all parsers keep, for any text and any cut: nothing is lost, nothing raises, pieces change nothing."""

import itertools
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.server.tools.events import CallArguments, Event, Text
from freehold.server.tools.hermes import HermesParser
from freehold.server.tools.llama import LlamaParser
from freehold.server.tools.marked import LONGEST_GAP, MarkedParser
from freehold.server.tools.mistral import MistralParser

Parse = Callable[..., list[Event]]
PARSERS = [HermesParser, LlamaParser, MistralParser]
PIECES = [
    "<tool_call>",
    "</tool_call>",
    "<tool",
    "_call>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]abc123XYZ",
    '{"name": "f", "arguments": {"a": 1}}',
    '{"name": "g", "parameters": {"b": "}"}}',
    '{"arguments": {}, "name": "h"}',
    '{"name": "f", "arguments": ',
    '{"x": 1}',
    '"name"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    '"',
    "\\",
    "\n",
    " ",
    " " * 70,
    "word",
    "é",
]


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(min(at, len(text)) for at in cuts), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("parser", PARSERS)
def test_any_cut_gives_the_same_events(parser: type[MarkedParser], parse: Parse) -> None:
    """Texts made of all that the forms are made of, cut anywhere."""

    @settings(max_examples=250, deadline=None)
    @given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join), st.lists(st.integers(0, 200), max_size=12))
    def holds(text: str, cuts: list[int]) -> None:
        whole = parse(parser, text)
        assert parse(parser, *cut(text, cuts)) == whole
        assert parse(parser, *text) == whole

    holds()


@pytest.mark.parametrize("parser", PARSERS)
def test_any_text_is_read_and_plain_text_is_content(parser: type[MarkedParser], parse: Parse) -> None:
    """Nothing raises; a text without brackets comes out as it went in."""

    @settings(max_examples=100, deadline=None)
    @given(st.text())
    def holds(text: str) -> None:
        events = parse(parser, text)
        if not re.search(r"[\[{<]", text):
            assert events == ([Text(text)] if text else [])

    holds()


@pytest.mark.parametrize("parser", PARSERS)
def test_what_is_no_call_is_not_lost(parser: type[MarkedParser], parse: Parse) -> None:
    """Whitespace aside, an answer without a whole call is all content."""

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.sampled_from([piece for piece in PIECES if "name" not in piece]), max_size=10).map("".join))
    def holds(text: str) -> None:
        events = parse(parser, text)
        if not any(isinstance(event, CallArguments) for event in events):
            assert events == ([Text(text)] if text else [])

    holds()


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (HermesParser, '<tool_call>{"name": ' * 9000),
        (HermesParser, "<tool_call>" * 9000),
        (HermesParser, " " * 99000),
        (LlamaParser, '{"name": "f", "age": ' + "1" * 99000),
        (MistralParser, "[TOOL_CALLS]" + "a" * 99000),
        (MistralParser, "[TOOL_CALLS]" * 9000),
    ],
)
def test_a_long_answer_without_a_call_takes_time_in_proportion(
    parser: type[MarkedParser], text: str, parse: Parse
) -> None:
    """What never becomes a call is read once, not again with each piece: that took minutes."""
    assert parse(parser, *(text[at : at + 4] for at in range(0, len(text), 4))) == [Text(text)]


def test_only_so_much_whitespace_is_dropped_before_a_call(parse: Parse) -> None:
    """What is beyond is content, however it comes."""
    text = "a" + " " * (LONGEST_GAP + 2) + '<tool_call>{"name": "f"}'
    assert parse(HermesParser, text)[0] == parse(HermesParser, *text)[0] == Text("a  ")


def test_plain_text_passes_at_once_but_for_what_may_begin_a_marker() -> None:
    """Whitespace waits too, since it is dropped before a call."""
    parser = HermesParser()
    assert parser.push("Hello") == [Text("Hello")]
    assert parser.push(" there <") == [Text(" there")]
    assert parser.push("b>") == [Text(" <b>")]
    assert parser.push(" ") == []
    assert parser.flush() == [Text(" ")]
