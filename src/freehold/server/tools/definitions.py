"""The tools of a request, and which of them the model has to call, both checked."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freehold.errors import FreeholdError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALLOWED = '"auto", "none", "required", {"type": "function", "function": {"name": "..."}}'


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client can run. `parameters` is a JSON Schema whose value is an object."""

    name: str
    parameters: Mapping[str, Any]
    strict: bool = False


def parse_tools(tools: Sequence[Mapping[str, Any]]) -> tuple[Tool, ...]:
    """The tools of a request in OpenAI's form, decoded from JSON. Raises FreeholdError `tool_invalid`."""
    parsed = tuple(_tool(f"tools[{n}]", tool) for n, tool in enumerate(tools))
    seen: set[str] = set()
    for n, tool in enumerate(parsed):
        if tool.name in seen:
            raise _invalid(f"tools[{n}].function.name", f"is `{tool.name}`, which another tool has")
        seen.add(tool.name)
    return parsed


def called_for(tools: Sequence[Tool], tool_choice: object) -> tuple[Tool, ...]:
    """The tools of which the model has to call one: all with "required", one where it is named, else none.

    Raises FreeholdError `tool_choice_invalid`.
    """
    if tool_choice in (None, "auto", "none"):
        return ()
    function = tool_choice.get("function") if isinstance(tool_choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if tool_choice != "required" and not isinstance(name, str):
        raise _choice_invalid(f"is {json.dumps(tool_choice, ensure_ascii=False)[:200]}")
    if not tools:
        raise _choice_invalid("asks for a call, but there are no `tools`")
    if tool_choice == "required":
        return tuple(tools)
    named = tuple(tool for tool in tools if tool.name == name)
    if not named:
        raise _choice_invalid(f"names `{name}`, which is none of the tools ({', '.join(tool.name for tool in tools)})")
    return named


def _tool(where: str, tool: object) -> Tool:
    if not isinstance(tool, Mapping):
        raise _invalid(where, "is not an object")
    if tool.get("type") != "function":
        raise _invalid(f"{where}.type", "is not `function`, the only type there is here")
    function = tool.get("function")
    if not isinstance(function, Mapping):
        raise _invalid(f"{where}.function", "is not an object")
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = "missing" if name is None else json.dumps(name, ensure_ascii=False)[:100]
        raise _invalid(f"{where}.function.name", f"is {shown}: it needs 1 to 64 letters, digits, `_` or `-`")
    parameters = _parameters(f"{where}.function.parameters of `{name}`", function.get("parameters"))
    strict = function.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise _invalid(f"{where}.function.strict of `{name}`", "is neither true nor false")
    return Tool(name, parameters, strict is True)


def _parameters(where: str, parameters: object) -> Mapping[str, Any]:
    """A tool without parameters takes an empty object."""
    if parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if not isinstance(parameters, Mapping):
        raise _invalid(where, "is not a JSON Schema (an object)")
    if parameters.get("type", "object") != "object":
        found = json.dumps(parameters["type"], ensure_ascii=False)[:100]
        raise _invalid(where, f"describes {found}, and arguments are always an `object`")
    properties = parameters.get("properties", {})
    if not isinstance(properties, Mapping) or not all(
        isinstance(value, Mapping | bool) for value in properties.values()
    ):
        raise _invalid(f"{where}: `properties`", "is not an object of schemas")
    required = parameters.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise _invalid(f"{where}: `required`", "is not a list of names")
    return {**parameters, "type": "object"}


def _invalid(where: str, reason: str) -> FreeholdError:
    return FreeholdError("tool_invalid", where=where, reason=reason, param="tools")


def _choice_invalid(reason: str) -> FreeholdError:
    return FreeholdError("tool_choice_invalid", reason=reason, allowed=_ALLOWED, param="tool_choice")
