"""Calls in the form of Llama 3."""

from collections.abc import Callable

import pytest

from freehold.server.tools.events import Event, Text
from freehold.server.tools.llama import LlamaParser

Parse = Callable[..., list[Event]]
Call = Callable[[int, str, str], list[Event]]
ONE = '{"name": "f", "parameters": {"a": 1}}'


@pytest.mark.parametrize("text", [ONE, f"\n{ONE}\n", f"<|python_tag|>{ONE}", '{"type": "function", ' + ONE[1:]])
def test_a_call_is_the_whole_answer(text: str, parse: Parse, call: Call) -> None:
    """Bare, or behind the tag."""
    assert parse(LlamaParser, text) == call(0, "f", '{"a": 1}')


@pytest.mark.parametrize("between", ["; ", ";", "\n", "", "<|python_tag|>", " ;\n<|python_tag|>"])
def test_several_calls_follow_one_another(between: str, parse: Parse, call: Call) -> None:
    """Separated by semicolons, or by nothing."""
    text = ONE + between + '{"name": "g", "parameters": {}}'
    assert parse(LlamaParser, text) == [*call(0, "f", '{"a": 1}'), *call(1, "g", "{}")]


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "x", "name": "f"}',
        '{"name": "Al", "age": 3} more',
        f"Call {ONE}",
        '<|python_tag|>search.call(query="x")',
        " plain { text }",
        "{",
        "",
    ],
)
def test_other_answers_are_content(text: str, parse: Parse) -> None:
    """Other JSON, a call within a sentence, code for a built-in tool."""
    assert parse(LlamaParser, text) == ([Text(text)] if text else [])


def test_other_json_is_not_held_back() -> None:
    """Its first key tells that it is no call."""
    parser = LlamaParser()
    assert parser.push("{") == []
    assert parser.push('"title"') == [Text('{"title"')]
    assert parser.push(': "x') == [Text(': "x')]


def test_a_tag_may_stand_behind_text(parse: Parse, call: Call) -> None:
    """Some answers say something first."""
    text = f"Let me see. <|python_tag|>{ONE}"
    assert parse(LlamaParser, text) == [Text("Let me see."), *call(0, "f", '{"a": 1}')]
