"""Grammars of answers: calls of tools in the model's own form, and whatever is asked for behind its reasoning."""

import json
import re
from collections.abc import Mapping, Sequence

from freehold.engine.generation import Constraint
from freehold.errors import FreeholdError
from freehold.server.reasoning import Markers
from freehold.server.tools.definitions import Tool, called_for
from freehold.server.tools.forms import MARKS, Form
from freehold.server.tools.hermes import BEGIN, END
from freehold.server.tools.mistral import ARGS, CALLS

ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
"""JSON as `engine/constraint.py` has it too; to import that would load llguidance into servers that never write."""


def grammar_for(
    tools: Sequence[Tool],
    tool_choice: object,
    form: Form | None,
    *,
    model: str,
    parallel: bool = True,
    ids: Mapping[str, int] | None = None,
) -> Constraint | None:
    """What the answer must look like to be a call that `parser_for(form)` reads; None where the model is free.

    `tool_choice` is the request's, decoded ("auto", "none" or None: free). Without `parallel` there is one call, as for
    a named function. `ids`: what `mark_ids` gives. Schema keywords that llguidance does not know are ignored, unless
    the tool is `strict`: then the engine refuses the constraint. Raises FreeholdError `tool_choice_invalid`,
    `tools_unsupported` (no known form, so that a call could not be told from text).
    """
    called = called_for(tools, tool_choice)
    if not called:
        return None
    if form is None:
        raise FreeholdError("tools_unsupported", model=model, reason="the form of its tool calls is not known")
    several = parallel and tool_choice == "required"
    marks = {mark: _mark(mark, ids) for mark in MARKS[form]}
    rules = [f"{_rule(n)}: %json {_schema(tool)}" for n, tool in enumerate(called)]
    shape = {
        Form.HERMES: _hermes,
        Form.LLAMA: _llama,
        Form.MISTRAL: _mistral,
        Form.MISTRAL_ARGS: _mistral_args,
    }[form]
    return Constraint("lark", "\n".join([*shape(called, several, marks), *rules, ""]))


def either(call: Constraint, form: Constraint) -> Constraint:
    """The constraint of an answer that is a call, as `grammar_for` has it, or else has a form."""
    rules = ["start: called | formed", *_as_rule("called", call), *_as_rule("formed", form)]
    return Constraint("lark", "\n".join([*rules, ""]))


def behind_reasoning(
    constraint: Constraint, markers: Markers, opened: bool, ids: Mapping[str, int] | None = None
) -> Constraint:
    """The constraint for the answer behind the model's reasoning, which stays free.

    With `opened` the answer comes after the end marker; else a block of reasoning may come before it. `ids`: the ids
    of the markers that are one token each; llguidance keeps such tokens out of free text, and would never allow them.
    """
    if ids and markers.end in ids:
        thought = [f"thought: THOUGHT {_mark(markers.end, ids)}", r"THOUGHT: /(.|\n)*/"]
    else:
        thought = [rf"thought[lazy]: /(.|\n)*{_slashed(re.escape(markers.end))}/"]
    first = "thought" if opened else f"({_mark(markers.start, ids)} thought)?"
    answer = ["answer: /\\n*/ constrained", *_as_rule("constrained", constraint)]
    return Constraint("lark", "\n".join([f"start: {first} answer", *thought, *answer, ""]))


def _as_rule(name: str, constraint: Constraint) -> list[str]:
    """The constraint as a rule of a larger grammar."""
    if constraint.kind == "lark":
        return [re.sub(r"^start:", f"{name}:", constraint.value, flags=re.MULTILINE)]
    if constraint.kind == "regex":
        return [f"{name}: {name.upper()}\n{name.upper()}: /{_slashed(constraint.value)}/"]
    schema = json.loads(constraint.value) if constraint.kind == "json_schema" else {"type": "object"}
    if isinstance(schema, dict):
        schema = {**schema, "x-guidance": {**ONE_LINE, "lenient": False}}
    return [f"{name}: %json {json.dumps(schema, ensure_ascii=False)}"]


def _slashed(pattern: str) -> str:
    """A regular expression to stand between slashes: those of its own escaped, unless they are already."""
    return re.sub(r"\\.|/", lambda found: r"\/" if found[0] == "/" else found[0], pattern, flags=re.DOTALL)


def _hermes(called: Sequence[Tool], several: bool, marks: Mapping[str, str]) -> list[str]:
    more = ' ("\\n" call)*' if several else ""
    return [
        f"start: call{more}",
        f'call: {marks[BEGIN]} "\\n" object "\\n" {marks[END]}',
        f"object: {_objects(called, 'arguments')}",
    ]


def _llama(called: Sequence[Tool], several: bool, marks: Mapping[str, str]) -> list[str]:
    """One call: Llama's own template refuses more in one answer."""
    return [f"start: {_objects(called, 'parameters')}"]


def _mistral(called: Sequence[Tool], several: bool, marks: Mapping[str, str]) -> list[str]:
    more = ' (", " object)*' if several else ""
    return [f'start: {marks[CALLS]} " "? "[" object{more} "]"', f"object: {_objects(called, 'arguments')}"]


def _mistral_args(called: Sequence[Tool], several: bool, marks: Mapping[str, str]) -> list[str]:
    named = " | ".join(f"{_text(tool.name)} {marks[ARGS]} {_rule(n)}" for n, tool in enumerate(called))
    return [f"start: call{'+' if several else ''}", f"call: {marks[CALLS]} ({named})"]


def _objects(called: Sequence[Tool], arguments: str) -> str:
    """The call object of one of the tools.

    Cut as llguidance cuts JSON, whose lexer never goes back: other JSON may stand in the same place (`either`).
    """
    objects = []
    for n, tool in enumerate(called):
        pieces = ("{", json.dumps("name"), ": ", json.dumps(tool.name), ", ", json.dumps(arguments), ": ")
        objects.append(" ".join([*map(_text, pieces), _rule(n), _text("}")]))
    return " | ".join(objects)


def _rule(n: int) -> str:
    return f"arguments_{n}"


def _schema(tool: Tool) -> str:
    guidance = {**ONE_LINE, "lenient": not tool.strict}
    return json.dumps({**tool.parameters, "x-guidance": guidance}, ensure_ascii=False)


def _mark(mark: str, ids: Mapping[str, int] | None) -> str:
    """A mark as the token that it is, else as text."""
    return f"<[{ids[mark]}]>" if ids and mark in ids else _text(mark)


def _text(literal: str) -> str:
    """A string of the grammar: JSON's escapes are Lark's."""
    return json.dumps(literal, ensure_ascii=False)
