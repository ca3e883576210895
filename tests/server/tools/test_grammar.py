"""Grammars of forced calls: each compiles, takes what its parser reads, and refuses the rest."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from freehold.engine import constraint as engine_constraint
from freehold.engine.generation import Constraint
from freehold.errors import FreeholdError
from freehold.server.reasoning import Markers
from freehold.server.tools.definitions import Tool, parse_tools
from freehold.server.tools.events import CallBegin, Event
from freehold.server.tools.forms import MARKS, Form, parser_for
from freehold.server.tools.grammar import ONE_LINE, behind_reasoning, either, grammar_for

BytesOf = Callable[..., Any]
NAMED = {"type": "function", "function": {"name": "g"}}

F = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"$ref": "#/$defs/Unit"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"Unit": {"enum": ["C", "F", "度"]}},
}
TOOLS = parse_tools(
    [
        {"type": "function", "function": {"name": "get_weather", "parameters": F}},
        {"type": "function", "function": {"name": "g"}},
    ]
)
WEATHER = '{"city": "a\\"é", "unit": "度"}'

GOOD: dict[Form, list[str]] = {
    Form.HERMES: [
        f'<tool_call>\n{{"name": "get_weather", "arguments": {WEATHER}}}\n</tool_call>',
        '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
    ],
    Form.LLAMA: [f'{{"name": "get_weather", "parameters": {WEATHER}}}', '{"name": "g", "parameters": {}}'],
    Form.MISTRAL: [
        f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {WEATHER}}}]',
        '[TOOL_CALLS][{"name": "g", "arguments": {}}]',
    ],
    Form.MISTRAL_ARGS: [f"[TOOL_CALLS]get_weather[ARGS]{WEATHER}", "[TOOL_CALLS]g[ARGS]{}"],
}
SEVERAL: dict[Form, str] = {
    Form.HERMES: "\n".join(GOOD[Form.HERMES]),
    Form.MISTRAL: '[TOOL_CALLS] [{"name": "g", "arguments": {}}, {"name": "g", "arguments": {}}]',
    Form.MISTRAL_ARGS: "".join(GOOD[Form.MISTRAL_ARGS]),
}


def grammar(form: Form, choice: object, **options: Any) -> str:
    constraint = grammar_for(TOOLS, choice, form, model="m", **options)
    assert constraint is not None
    assert constraint.kind == "lark"
    return constraint.value


def called(form: Form, text: str) -> list[str]:
    parser = parser_for(form)
    events: list[Event] = parser.push(text) + parser.flush()
    return [event.name for event in events if isinstance(event, CallBegin)]


@pytest.mark.parametrize("marked", [False, True], ids=["as text", "as tokens"])
@pytest.mark.parametrize("form", Form)
def test_a_required_call_is_one_that_the_parser_reads(form: Form, marked: bool, bytes_of: BytesOf) -> None:
    """Whether the marks are tokens of their own or not: a call of either tool, and nothing else."""
    tokenizer = bytes_of(*MARKS[form]) if marked else bytes_of()
    rules = grammar(form, "required", ids=tokenizer.ids)
    for text, name in zip(GOOD[form], ["get_weather", "g"], strict=True):
        assert tokenizer.accepts(rules, text)
        assert called(form, text) == [name]
        for wrong in (text.replace("city", "town"), text.replace('"g"', '"h"').replace("]g[", "]h["), text + " ok"):
            assert wrong == text or not tokenizer.accepts(rules, wrong)
    for wrong in ("Sure!", "", GOOD[form][0][:-1], GOOD[form][1].replace("{}", '{"a": 1}')):
        assert not tokenizer.accepts(rules, wrong)


@pytest.mark.parametrize("form", SEVERAL)
def test_several_calls_only_where_they_may_be(form: Form, bytes_of: BytesOf) -> None:
    """Without `parallel_tool_calls`, and for a named tool, there is one."""
    tokenizer = bytes_of()
    text = SEVERAL[form]
    assert len(called(form, text)) == 2
    assert tokenizer.accepts(grammar(form, "required"), text)
    assert not tokenizer.accepts(grammar(form, "required", parallel=False), text)
    assert not tokenizer.accepts(grammar(form, NAMED), text)


@pytest.mark.parametrize("form", Form)
def test_a_named_tool_is_the_only_one(form: Form, bytes_of: BytesOf) -> None:
    """The other's calls are refused."""
    tokenizer = bytes_of()
    rules = grammar(form, NAMED)
    assert [tokenizer.accepts(rules, text) for text in GOOD[form]] == [False, True]


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_free_model_has_no_grammar(choice: object) -> None:
    """Even where no form is known."""
    assert grammar_for(TOOLS, choice, None, model="m") is None
    assert grammar_for(TOOLS, choice, Form.HERMES, model="m") is None


def test_a_call_cannot_be_forced_in_no_form() -> None:
    """Text and call could not be told apart."""
    with pytest.raises(FreeholdError) as caught:
        grammar_for(TOOLS, "required", None, model="m")
    assert caught.value.code == "tools_unsupported"


@pytest.mark.parametrize("form", Form)
def test_unknown_keywords_are_ignored_unless_the_tool_is_strict(form: Form, bytes_of: BytesOf) -> None:
    """A strict tool's schema is kept whole, or its grammar does not compile."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "unheard-of"}}, "required": ["a"]}
    text = GOOD[form][1].replace("{}", '{"a": "x"}')
    for strict in (False, True):
        constraint = grammar_for([Tool("g", schema, strict)], "required", form, model="m")
        assert constraint is not None
        if strict:
            with pytest.raises(AssertionError, match="unheard-of"):
                bytes_of().accepts(constraint.value, text)
        else:
            assert bytes_of().accepts(constraint.value, text)


PERSON = json.dumps({"type": "object", "properties": {"name": {"type": "string"}, "age": {}}, "required": ["name"]})


@pytest.mark.parametrize("marked", [False, True], ids=["as text", "as tokens"])
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_a_call_or_a_form_is_one_of_the_two(form: Form, kind: Any, marked: bool, bytes_of: BytesOf) -> None:
    """And neither text nor a broken call; behind reasoning too."""
    tokenizer = bytes_of(*MARKS[form]) if marked else bytes_of()
    call = grammar_for(TOOLS, "required", form, model="m", ids=tokenizer.ids)
    assert call is not None
    both = either(call, Constraint(kind, PERSON if kind == "json_schema" else "{}"))
    behind = behind_reasoning(both, Markers(), True)
    for text in (*GOOD[form], '{"name": "g", "age": 1}'):
        assert tokenizer.accepts(both.value, text)
        assert marked or tokenizer.accepts(behind.value, f"so</think>\n\n{text}")
    for wrong in ("Sure!", "[1]", '{"name": "g", "age": 1} ok', GOOD[form][0][:-1]):
        assert not tokenizer.accepts(both.value, wrong)


def test_json_is_written_as_the_engine_writes_it() -> None:
    """One spacing, whether the engine or a grammar of ours sets it."""
    assert {**ONE_LINE, "lenient": False} == engine_constraint.ONE_LINE


SCHEMA = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
CONSTRAINTS = {
    "schema": (Constraint("json_schema", SCHEMA), '{"a": 1}', '{"b": 1}'),
    "object": (Constraint("json_object", "{}"), '{"b": [1]}', "[1]"),
    "no object": (Constraint("json_schema", "true"), "[1]", "]"),
    "regex": (Constraint("regex", r"a/b\/c[0-9]\\"), "a/b/c7\\", "a/b"),
    "lark": (Constraint("lark", 'start: "x" y\ny: "y"\n'), "xy", "x"),
    "call": (
        grammar_for(TOOLS, "required", Form.MISTRAL, model="m"),
        SEVERAL[Form.MISTRAL],
        GOOD[Form.MISTRAL][0].replace("city", "town"),
    ),
}


@pytest.mark.parametrize("marks", [(), ("<think>", "</think>")], ids=["as text", "as tokens"])
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_a_constraint_waits_for_the_end_of_the_reasoning(kind: str, marks: tuple[str, ...], bytes_of: BytesOf) -> None:
    """Opened in the prompt: the answer comes behind the end marker. Not opened: with reasoning or without."""
    constraint, good, bad = CONSTRAINTS[kind]
    assert constraint is not None
    tokenizer = bytes_of(*marks)
    rules = behind_reasoning(constraint, Markers(), True, tokenizer.ids).value
    assert tokenizer.accepts(rules, f"so <b>\n{bad}</think>\n\n{good}")
    assert not tokenizer.accepts(rules, f"so</think>\n\n{bad}")
    assert not tokenizer.accepts(rules, good)
    rules = behind_reasoning(constraint, Markers(), False, tokenizer.ids).value
    assert tokenizer.accepts(rules, f"<think>\nso</think>\n{good}")
    assert tokenizer.accepts(rules, good)
    assert not tokenizer.accepts(rules, f"so</think>{good}")
    assert not tokenizer.accepts(rules, bad)
