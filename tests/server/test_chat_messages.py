"""Messages as templates take them, and what is wrong with those that they cannot take."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from freehold.errors import FreeholdError
from freehold.server.chat_messages import ContentForm, content_form, for_template

NO_ROLES: frozenset[str] = frozenset()
TEXT = {"type": "text", "text": "a"}


def taken(message: object, form: ContentForm = "text", roles: frozenset[str] = NO_ROLES) -> dict[str, Any]:
    return for_template([message], form, roles, "m")[0]  # type: ignore[list-item]  # what clients send is anything


def error_of(message: object) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        taken(message)
    return caught.value


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "text"),
        ("{% for m in messages %}{{ m['content'] | trim }}{% endfor %}", "text"),
        ("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}", "parts"),
        ("{% for m in messages %}{% for p in m['content'] | selectattr('type') %}x{% endfor %}{% endfor %}", "parts"),
        ("{% for m in messages %}{% set c = m.content %}{% for p in c %}{{ p.text }}{% endfor %}{% endfor %}", "parts"),
        (
            "{% macro w(content) %}{% if content is string %}{{ content }}{% else %}{% for p in content %}{% endfor %}"
            "{% endif %}{% endmacro %}{% for m in messages %}{{ w(m.content) }}{% endfor %}",
            "either",
        ),
    ],
)
def test_a_template_shows_what_it_reads_as_content(source: str, form: str) -> None:
    """A loop over the content reads parts; a test for a string beside it, either."""
    assert content_form(Environment(autoescape=True).parse(source)) == form


@pytest.mark.parametrize(
    ("form", "content", "written"),
    [
        ("text", "a", "a"),
        ("text", [TEXT, {"type": "text", "text": "b"}], "a\nb"),
        ("text", [], ""),
        ("parts", "a", [TEXT]),
        ("parts", [TEXT], [TEXT]),
        ("either", "a", "a"),
        ("either", [TEXT], [TEXT]),
    ],
)
def test_content_takes_the_form_that_the_template_reads(form: ContentForm, content: object, written: object) -> None:
    """Texts become parts, and parts are joined by newlines, only where they must."""
    assert taken({"role": "user", "content": content}, form)["content"] == written


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "video_url", None])
def test_parts_that_are_no_text_name_the_way_to_a_model_that_reads_them(kind: str | None) -> None:
    """The message names the part, the model and an upstream."""
    error = error_of({"role": "user", "content": [TEXT, {"type": kind}]})
    assert error.code == "content_unsupported"
    assert "messages[0].content[1]" in error.cause
    assert "m reads only text" in error.cause
    assert "upstream" in error.fix


@pytest.mark.parametrize("role", ["wizard", "", 3, None, "User", "function"])
def test_an_unknown_role_is_refused(role: object) -> None:
    """With the roles that there are."""
    error = error_of({"role": role, "content": "a"})
    assert error.code == "message_role_unknown"
    assert "assistant" in error.fix


def test_a_developer_is_a_system_where_the_template_knows_no_other() -> None:
    """OpenAI's newer name reaches a template only when it is written there."""
    assert taken({"role": "developer", "content": "a"})["role"] == "system"
    assert taken({"role": "developer", "content": "a"}, roles=frozenset({"developer"}))["role"] == "developer"


def test_null_fields_are_left_out_and_content_is_a_text() -> None:
    """Templates would write `None`, or fail on joining it."""
    message = {"role": "assistant", "content": None, "tool_calls": None, "refusal": None, "name": "x"}
    assert taken(message) == {"role": "assistant", "content": "", "name": "x"}
    assert taken({"role": "assistant", "tool_calls": []}) == {"role": "assistant", "content": ""}


@pytest.mark.parametrize("arguments", ['{"a": [1]}', {"a": [1]}])
def test_arguments_become_a_mapping(arguments: object) -> None:
    """Templates write them in their own way; the client's message is not touched."""
    message = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]}
    assert taken(message)["tool_calls"] == [{"id": "1", "function": {"name": "f", "arguments": {"a": [1]}}}]
    assert message["tool_calls"][0]["function"]["arguments"] == arguments  # type: ignore[index]  # its shape is above


@pytest.mark.parametrize("arguments", [None, "", " "])
def test_absent_arguments_are_an_empty_mapping(arguments: object) -> None:
    """Some clients send no arguments for a tool that takes none."""
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    assert taken(message)["tool_calls"][0]["function"]["arguments"] == {}


def test_reasoning_goes_by_each_of_its_names() -> None:
    """As in transformers: whichever a client sends, a template finds the one it reads."""
    for name in ("reasoning_content", "thinking", "reasoning"):
        message = taken({"role": "assistant", "content": "a", name: "because"})
        assert (message["reasoning_content"], message["thinking"]) == ("because", "because")


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        {"role": "user", "content": 3},
        {"role": "user", "content": ["a"]},
        {"role": "user", "content": [{"type": "text"}]},
        {"role": "assistant", "tool_calls": "f"},
        {"role": "assistant", "tool_calls": ["f"]},
        {"role": "assistant", "tool_calls": [{"function": {}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[" * 5000}}]},
    ],
)
def test_a_message_of_the_wrong_form_is_told_where(message: object) -> None:
    """With the place, and the form that is wanted."""
    error = error_of(message)
    assert error.code == "message_invalid"
    assert error.cause.startswith("messages[0]")


def test_no_messages_are_an_error() -> None:
    """An empty list is refused before any template runs."""
    with pytest.raises(FreeholdError, match="messages is empty"):
        for_template([], "text", NO_ROLES, "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["user", "text", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "tool_calls", "function", "name", "arguments"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON, max_size=3), st.sampled_from(["text", "parts", "either"]))
def test_any_json_is_taken_or_refused(messages: list[Any], form: ContentForm) -> None:
    """Nothing that a client can send raises anything but an error of ours."""
    with suppress(FreeholdError):
        assert len(for_template(messages, form, NO_ROLES, "m")) == len(messages)
