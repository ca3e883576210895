"""Tools and the choice among them, as requests give them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.server.tools.definitions import Tool, called_for, parse_tools

MakeTool = Callable[..., dict[str, Any]]


def error_of(*tools: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        parse_tools(tools)
    return caught.value


def test_tools_are_read(make_tool: MakeTool) -> None:
    """Name, parameters as an object schema, strictness."""
    schema = {"properties": {"a": {"type": "integer"}, "b": True}, "required": ["a"]}
    bare = {"type": "function", "function": {"name": "stop-2_X"}}
    assert parse_tools([make_tool("f", schema, strict=True, description="d"), bare]) == (
        Tool("f", {**schema, "type": "object"}, True),
        Tool("stop-2_X", {"type": "object", "properties": {}, "additionalProperties": False}),
    )
    assert parse_tools([]) == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": None}, "tools[1].function.name is missing"),
        ({"name": "get weather"}, 'tools[1].function.name is "get weather"'),
        ({"name": "a" * 65}, "tools[1].function.name"),
        ({"name": ""}, "tools[1].function.name"),
        ({"name": "天气"}, "tools[1].function.name"),
        ({"name": "first"}, "which another tool has"),
        ({"parameters": []}, "tools[1].function.parameters of `f`"),
        ({"parameters": {"type": "string"}}, 'describes "string"'),
        ({"parameters": {"type": ["object", "null"]}}, "tools[1].function.parameters of `f`"),
        ({"parameters": {"properties": ["a"]}}, "`properties` is not an object of schemas"),
        ({"parameters": {"properties": {"a": "integer"}}}, "`properties` is not an object of schemas"),
        ({"parameters": {"required": "a"}}, "`required` is not a list of names"),
        ({"strict": "yes"}, "tools[1].function.strict of `f`"),
    ],
)
def test_a_broken_tool_is_named(change: dict[str, Any], where: str, make_tool: MakeTool) -> None:
    """Which tool, which field, and what it holds."""
    broken = make_tool("f")
    broken["function"] |= change
    error = error_of(make_tool("first"), broken)
    assert error.code == "tool_invalid"
    assert where in error.cause


@pytest.mark.parametrize("tool", ["f", {}, {"type": "retrieval"}, {"type": "function"}])
def test_what_is_no_function_is_refused(tool: Any) -> None:
    """Functions are the only tools that the model's forms know."""
    assert error_of(tool).code == "tool_invalid"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, []),
        ("auto", []),
        ("none", []),
        ("required", ["f", "g"]),
        ({"type": "function", "function": {"name": "g"}}, ["g"]),
    ],
)
def test_the_choice_says_which_tools_must_be_called(choice: object, names: list[str], make_tool: MakeTool) -> None:
    """One of all, one by name, or none."""
    tools = parse_tools([make_tool("f"), make_tool("g")])
    assert [tool.name for tool in called_for(tools, choice)] == names


@pytest.mark.parametrize(
    ("choice", "cause"),
    [
        ("must", 'is "must"'),
        (True, "is true"),
        ({"type": "function"}, "`tool_choice` is {"),
        ({"type": "function", "function": {"name": "h"}}, "names `h`, which is none of the tools (f)"),
    ],
)
def test_a_wrong_choice_is_told(choice: object, cause: str, make_tool: MakeTool) -> None:
    """With what may stand there."""
    with pytest.raises(FreeholdError) as caught:
        called_for(parse_tools([make_tool("f")]), choice)
    assert caught.value.code == "tool_choice_invalid"
    assert cause in caught.value.cause


@pytest.mark.parametrize("choice", ["required", {"function": {"name": "f"}}])
def test_a_call_cannot_be_asked_for_without_tools(choice: object) -> None:
    """There is nothing to call."""
    with pytest.raises(FreeholdError, match="there are no `tools`"):
        called_for([], choice)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["function", "object", "f", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "parameters", "properties", "required", "strict"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON, max_size=3), JSON)
def test_any_json_is_read_or_refused(tools: list[Any], choice: object) -> None:
    """Nothing that a client can send raises anything but an error of ours."""
    with suppress(FreeholdError):
        assert len(called_for(parse_tools(tools), choice)) <= len(tools)
