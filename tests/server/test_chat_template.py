"""Chat templates: the same prompts as transformers writes, and what a client hears when there is none."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from freehold.errors import FreeholdError
from freehold.server.chat_template import ChatTemplate, variables

FOLDER = Path(__file__).parent / "chat_templates"
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
KNOWN = sorted(path.stem for path in FOLDER.glob("*.jinja"))
CALLING = ("qwen", "hermes", "llama", "mistral")

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city <b>now</b>",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "stop", "description": "停", "parameters": {"type": "object"}}},
]


@cache
def template(name: str) -> ChatTemplate:
    return ChatTemplate((FOLDER / f"{name}.jinja").read_text(encoding="utf-8"), SPECIAL, name)


@cache
def reference(name: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(WordLevel({"<s>": 0, "</s>": 1, "?": 2}, unk_token="?"))
    loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # it has no types
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    )
    loaded.chat_template = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    return loaded


def expected(name: str, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
    """What transformers writes: it wants arguments as mappings, and content that is there."""
    given = json.loads(json.dumps(messages))
    for message in given:
        message["content"] = message.get("content") or ""
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    text = reference(name).apply_chat_template(given, tokenize=False, **options)
    assert isinstance(text, str)
    return text


def call(city: str, call_id: str = "abcdefghi") -> dict[str, Any]:
    arguments = json.dumps({"city": city, "days": [1, 2]})
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def calling(city: str = "深圳 <&>") -> list[dict[str, Any]]:
    """A conversation with a call and its answer."""
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call(city)]},
        {"role": "tool", "tool_call_id": "abcdefghi", "name": "get_weather", "content": '{"sun": true}'},
    ]


def error_of(name: str, messages: Sequence[Mapping[str, Any]], tools: Any = None, **options: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        template(name).render(messages, tools, **options)
    return caught.value


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.parametrize("name", KNOWN)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(system=st.none() | TEXTS, turns=st.lists(TEXTS, min_size=1, max_size=5), prompt=st.booleans())
def test_a_conversation_becomes_the_prompt_that_transformers_writes(
    name: str, system: str | None, turns: list[str], prompt: bool
) -> None:
    """For every form of template and any contents, with and without the generation prompt."""
    messages = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    rendered = template(name).render(messages, None, add_generation_prompt=prompt)
    assert rendered == expected(name, messages, add_generation_prompt=prompt)


@pytest.mark.parametrize("name", CALLING)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(city=TEXTS, tools=st.sampled_from([None, TOOLS[:1], TOOLS]))
def test_tools_calls_and_their_answers_are_written_as_transformers_writes_them(
    name: str, city: str, tools: list[dict[str, Any]] | None
) -> None:
    """Arguments come as JSON text and content as null, as clients send them back."""
    messages = calling(city)
    assert template(name).render(messages, tools) == expected(name, messages, tools=tools, add_generation_prompt=True)


def test_two_calls_at_once_are_written_one_after_another() -> None:
    """Qwen's form, with text before the calls."""
    answer = {"role": "assistant", "content": "b", "tool_calls": [call("x")] * 2}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "a"}, answer]
    assert template("qwen").render(messages, TOOLS) == expected(
        "qwen", messages, tools=TOOLS, add_generation_prompt=True
    )


@pytest.mark.parametrize("kwargs", [{}, {"enable_thinking": False}, {"enable_thinking": True}])
def test_the_requests_variables_reach_the_template(kwargs: dict[str, Any]) -> None:
    """`enable_thinking` false writes the closed empty block, as in transformers."""
    messages = [{"role": "user", "content": "Hi"}]
    rendered = template("qwen").render(messages, None, kwargs=kwargs)
    assert rendered == expected("qwen", messages, add_generation_prompt=True, **kwargs)
    assert rendered.endswith("</think>\n\n") == (kwargs.get("enable_thinking") is False)


def test_a_request_overrides_the_models_variables() -> None:
    """Model's defaults, then `chat_template_kwargs`, then the request's own `enable_thinking`."""
    assert variables({"a": 1, "enable_thinking": True}, {"a": 2, "b": [3]}, None) == {
        "a": 2,
        "b": [3],
        "enable_thinking": True,
    }
    assert variables({}, {"enable_thinking": True}, False) == {"enable_thinking": False}
    assert variables({"a": 1}, None, None) == {"a": 1}


@pytest.mark.parametrize("name", ["messages", "tools", "bos_token", "add_generation_prompt", "raise_exception"])
def test_what_the_server_gives_cannot_be_overridden(name: str) -> None:
    """A reserved variable is refused and named."""
    error = error_of("qwen", [{"role": "user", "content": "Hi"}], kwargs={name: "x"})
    assert (error.code, error.details["name"]) == ("template_variable_reserved", name)


@pytest.mark.parametrize("name", ["qwen", "llama", "deepthink", "parts"])
@pytest.mark.parametrize("text", ["The answer is ", "One\ntwo", "ends."])
def test_the_last_message_can_be_continued(name: str, text: str) -> None:
    """The prompt ends where the message's text ends, without an end token or a generation prompt."""
    messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}]
    rendered = template(name).render(messages, None, continue_final_message=True)
    assert rendered == expected(name, messages, continue_final_message=True)
    assert rendered.endswith(text.rstrip() if name == "llama" else text)


def test_a_last_message_of_parts_can_be_continued() -> None:
    """The text goes on behind its last part; no parts at all is an empty one."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "assistant", "content": parts}]
    assert template("parts").render(messages, None, continue_final_message=True).endswith("1: a\n2: b")
    messages = [{"role": "assistant", "content": []}]
    assert template("parts").render(messages, None, continue_final_message=True).endswith("1: ")


def test_a_message_that_the_template_leaves_out_cannot_be_continued() -> None:
    """The client hears it, instead of a prompt that ends somewhere."""
    dropping = ChatTemplate("{{ messages[0].content }}", {}, "m")
    with pytest.raises(FreeholdError, match="cannot be continued"):
        dropping.render(
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], None, continue_final_message=True
        )


def test_a_refusal_of_the_template_is_the_clients_to_hear() -> None:
    """`raise_exception` comes back with its own words."""
    error = error_of("mistral", [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    assert error.code == "template_refused"
    assert "roles must alternate" in error.cause


def test_a_failing_template_names_its_line() -> None:
    """An undefined field, with the line of the template."""
    failing = ChatTemplate("{{ bos_token }}\n\n{{ messages[0].content.nowhere.x }}", SPECIAL, "m")
    with pytest.raises(FreeholdError) as caught:
        failing.render([{"role": "user", "content": "a"}], None)
    assert (caught.value.code, caught.value.details["line"]) == ("template_failed", 3)


@pytest.mark.parametrize(
    ("source", "line"), [("a\n{% if %}", 2), ("{{ x", 1), ("\n\n{% nosuch %}", 3), ("{{ x | nosuch }}", 1)]
)
def test_an_invalid_template_names_its_line(source: str, line: int) -> None:
    """It is refused when the model is loaded."""
    with pytest.raises(FreeholdError) as caught:
        ChatTemplate(source, {}, "m")
    assert (caught.value.code, caught.value.details["line"]) == ("template_invalid", line)


@pytest.mark.parametrize("source", ["{% for a in b %}" * 30 + "{% endfor %}" * 30, "{{ " + "(" * 9000 + ")" * 9000])
def test_a_template_nested_too_deep_is_invalid(source: str) -> None:
    """Python's own compiler gives up on it, and so do we."""
    with pytest.raises(FreeholdError) as caught:
        ChatTemplate(source, {}, "m")
    assert caught.value.code == "template_invalid"


def test_a_template_without_an_end_is_stopped() -> None:
    """A loop inside a loop is cut off by its steps."""
    looping = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(FreeholdError) as caught:
        ChatTemplate(looping, {}, "m").render([{"role": "user", "content": "a"}], None)
    assert caught.value.code == "template_overrun"


def test_a_model_without_a_template_says_so() -> None:
    """No plain fallback: a prompt that the model has not learnt would give bad answers quietly."""
    with pytest.raises(FreeholdError, match="has no chat template") as caught:
        ChatTemplate(None, {}, "m")
    assert caught.value.code == "template_missing"


def test_tools_for_a_template_that_takes_none_are_refused() -> None:
    """To leave them out in silence would change what was asked."""
    assert error_of("deepthink", [{"role": "user", "content": "a"}], TOOLS).code == "tools_unsupported"
    assert template("deepthink").render([{"role": "user", "content": "a"}], []) != ""
    assert [name for name in KNOWN if template(name).takes_tools] == sorted(CALLING)


def test_empty_tools_are_no_tools() -> None:
    """A template that asks `tools is not none` writes no empty list of them."""
    messages = [{"role": "user", "content": "a"}]
    assert template("llama").render(messages, []) == template("llama").render(messages, None)
