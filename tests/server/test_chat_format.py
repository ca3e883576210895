"""How one model is spoken to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt import graphs
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError
from freehold.protocol.chat import parse_chat
from freehold.protocol.generation import ResponseFormat
from freehold.server.chat_format import ChatFormat, ChatFormats, form_of
from freehold.server.generation import text_engine
from freehold.server.models import Served
from freehold.server.tools.forms import Form

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "lamp"}}]
FORCED = {"tools": TOOLS, "tool_choice": "required"}
SCHEMA = {"type": "json_schema", "json_schema": {"type": "object"}}


def request(**given: Any) -> Any:
    return parse_chat(json.dumps({"messages": HELLO, **given}).encode())


@pytest.fixture
def spoken(talker: Served) -> ChatFormat:
    """The decoder's format."""
    return ChatFormats().of(talker)


def test_a_turn_is_the_template_s_prompt_in_tokens(spoken: ChatFormat) -> None:
    """Special tokens as single ids, nothing added."""
    turn = spoken.turn(request())
    assert spoken.engine.decode(turn.prompt) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert (turn.constraint, turn.form, turn.opened, turn.one_call) == (None, None, False, False)


def test_a_turn_without_a_generation_prompt_goes_on_where_the_last_message_ends(spoken: ChatFormat) -> None:
    """Both of vLLM's switches."""
    messages = [*HELLO, {"role": "assistant", "content": "I own"}]
    turn = spoken.turn(request(messages=messages, add_generation_prompt=False, continue_final_message=True))
    assert spoken.engine.decode(turn.prompt).endswith("assistant\nI own")


def test_tools_stand_in_the_prompt_unless_none_may_be_called(spoken: ChatFormat) -> None:
    """And the answer is read for calls only then."""
    turn = spoken.turn(request(tools=TOOLS))
    assert "lamp" in spoken.engine.decode(turn.prompt)
    assert (turn.form, turn.constraint) == (Form.HERMES, None)
    none = spoken.turn(request(tools=TOOLS, tool_choice="none"))
    assert "lamp" not in spoken.engine.decode(none.prompt)
    assert none.form is None


def test_a_forced_call_is_a_grammar_and_goes_before_a_form(spoken: ChatFormat) -> None:
    """Where a call must come there is no other answer that a form could bind."""
    forced = spoken.turn(request(**FORCED))
    assert forced.constraint is not None
    assert forced.constraint.kind == "lark"
    assert spoken.turn(request(**FORCED, response_format=SCHEMA)).constraint == forced.constraint
    assert spoken.turn(request(**FORCED, parallel_tool_calls=False)).one_call


def test_a_form_beside_tools_that_may_be_called_leaves_both_open(spoken: ChatFormat) -> None:
    """A call or an answer of that form; without tools, or with `none`, the form alone."""
    turn = spoken.turn(request(tools=TOOLS, response_format=SCHEMA))
    assert turn.constraint is not None
    assert turn.form is Form.HERMES
    assert "called | formed" in turn.constraint.value
    assert spoken.turn(request(tools=TOOLS, response_format={"type": "text"})).constraint is None
    for given in ({}, {"tools": TOOLS, "tool_choice": "none"}):
        alone = spoken.turn(request(response_format=SCHEMA, **given)).constraint
        assert alone is not None
        assert "called" not in alone.value


def test_the_request_s_variables_go_before_the_configuration_s(talker: Served) -> None:
    """`chat_template_kwargs` of both, and the short `enable_thinking`."""
    formed = ChatFormat(text_engine(talker), "talker", {"reasons": True, "enable_thinking": False})
    assert not formed.turn(request()).opened
    assert formed.turn(request(chat_template_kwargs={"enable_thinking": True})).opened
    assert formed.turn(request(enable_thinking=True)).opened


def test_a_form_behind_reasoning_leaves_the_reasoning_free(talker: Served) -> None:
    """The constraint begins behind the end marker."""
    formed = ChatFormat(text_engine(talker), "talker", {"reasons": True})
    turn = formed.turn(request(response_format=SCHEMA))
    assert turn.opened
    assert turn.constraint is not None
    assert turn.constraint.kind == "lark"


def test_a_format_is_made_once_for_an_engine(talker: Served) -> None:
    """Compiling a template takes milliseconds."""
    formats = ChatFormats()
    assert formats.of(talker) is formats.of(talker)


def test_tools_of_a_model_whose_calls_nobody_can_read_are_refused(
    tiny_decoder: Callable[..., Path], tmp_path: Path
) -> None:
    """Its template shows tools in no form that is known: a call would be taken for text."""
    folder = tiny_decoder()
    template = "{{ tools | tojson }}{% for message in messages %}{{ message.content }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    engine: Any = open_artifact(graphs.build(folder, tmp_path), EngineSettings(tune=False))
    formed = ChatFormat(engine, "other", {})
    assert not formed.calls_tools
    with pytest.raises(FreeholdError, match="tools_unsupported"):
        formed.turn(request(tools=TOOLS))


def test_forms_become_constraints() -> None:
    """Text is none."""
    assert form_of(None) is form_of(ResponseFormat("text")) is None
    assert form_of(ResponseFormat("json_object")).kind == "json_object"  # type: ignore[union-attr] # it is one
    schema = form_of(ResponseFormat("json_schema", {"enum": ["数"]}))
    assert (schema.kind, schema.value) == ("json_schema", '{"enum": ["数"]}')  # type: ignore[union-attr] # it is one
