"""Messages as chat templates want them: known roles, content in the form that the template reads, parsed arguments."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jinja2 import nodes

from freehold.errors import FreeholdError

ROLES = ("system", "developer", "user", "assistant", "tool")

ContentForm = Literal["text", "parts", "either"]
"""What a template reads as content: a text, a list of parts, or whichever comes."""

_FORM = (
    '{"role": "user", "content": "..."}, where the content is a text or a list of {"type": "text", "text": "..."};'
    ' {"role": "assistant", "tool_calls": [{"id": "...", "type": "function", "function": {"name": "...", "arguments":'
    ' "{...}"}}]}; {"role": "tool", "tool_call_id": "...", "content": "..."}'
)

_REASONING = ("reasoning_content", "thinking", "reasoning")


def content_form(template: nodes.Template) -> ContentForm:
    """What the template reads: parts when a loop goes over a message's content; only parts when nothing in it asks
    whether the content is a text."""
    named = {"content"}
    for assign in template.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name) and _is_content(assign.node, named):
            named.add(assign.target.name)
    if not any(_is_content(loop.iter, named) for loop in template.find_all(nodes.For)):
        return "text"
    asks = any(test.name == "string" and _is_content(test.node, named) for test in template.find_all(nodes.Test))
    return "either" if asks else "parts"


def _is_content(node: nodes.Node, named: set[str]) -> bool:
    """Whether `node` is `x.content`, `x["content"]`, a name that holds one, or one of these through filters."""
    while isinstance(node, nodes.Filter) and node.node is not None:
        node = node.node
    if isinstance(node, nodes.Getattr):
        return node.attr == "content"
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and node.arg.value == "content"
    return isinstance(node, nodes.Name) and node.name in named


def for_template(
    messages: Sequence[Mapping[str, Any]], form: ContentForm, roles: frozenset[str], model: str
) -> list[dict[str, Any]]:
    """A fresh copy of `messages` as a template takes them; `roles` are those that it names.

    Fields that are null are left out, but an absent content becomes "" (templates join it to other texts). Raises
    FreeholdError `message_role_unknown`, `message_invalid`, `content_unsupported`.
    """
    if not messages:
        raise _invalid("messages", "is empty")
    return [_message(f"messages[{n}]", message, form, roles, model) for n, message in enumerate(messages)]


def _message(
    where: str, message: Mapping[str, Any], form: ContentForm, roles: frozenset[str], model: str
) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise _invalid(where, "is not an object")
    role = message.get("role")
    if role not in ROLES:
        found = "missing" if role is None else json.dumps(role, ensure_ascii=False)
        allowed = ", ".join(ROLES)
        raise FreeholdError("message_role_unknown", where=where, found=found, allowed=allowed, param=f"{where}.role")
    taken = {name: value for name, value in message.items() if value is not None}
    if role == "developer" and role not in roles:
        taken["role"] = "system"  # OpenAI's newer name of the same role
    taken["content"] = _content(f"{where}.content", taken.get("content", ""), form, model)
    if calls := taken.pop("tool_calls", None):
        taken["tool_calls"] = _calls(f"{where}.tool_calls", calls)
    reasoning = next((taken[name] for name in _REASONING if name in taken), None)
    return taken if reasoning is None else {"thinking": reasoning, **taken, "reasoning_content": reasoning}


def _content(where: str, content: object, form: ContentForm, model: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if form == "parts" else content
    if not isinstance(content, list):
        raise _invalid(where, "is neither a text nor a list of parts")
    parts = [_part(f"{where}[{n}]", part, model) for n, part in enumerate(content)]
    return "\n".join(part["text"] for part in parts) if form == "text" else parts


def _part(where: str, part: object, model: str) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        raise _invalid(where, "is not an object")
    kind = part.get("type")
    if kind != "text":
        raise FreeholdError("content_unsupported", where=where, found=kind, model=model, param=where)
    if not isinstance(part.get("text"), str):
        raise _invalid(where, "has no `text`")
    return dict(part)


def _calls(where: str, calls: object) -> list[dict[str, Any]]:
    if not isinstance(calls, list):
        raise _invalid(where, "is not a list")
    return [_call(f"{where}[{n}]", call) for n, call in enumerate(calls)]


def _call(where: str, call: object) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _invalid(where, "has no `function` with a `name`")
    arguments = _arguments(f"{where}.function.arguments", function.get("arguments"))
    return {**call, "function": {**function, "arguments": arguments}}


def _arguments(where: str, arguments: object) -> Mapping[str, Any]:
    """Clients send arguments as JSON text, as they got them; templates write the mapping in their own way."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            raise _invalid(where, f"is not JSON: {error}") from None
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, Mapping):
        raise _invalid(where, "is not a JSON object")
    return arguments


def _invalid(where: str, reason: str) -> FreeholdError:
    return FreeholdError("message_invalid", where=where, reason=reason, form=_FORM, param=where)
