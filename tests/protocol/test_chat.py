"""OpenAI's chat requests, read, and its answers, written."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError, Kind
from freehold.protocol.chat import (
    AnsweredCall,
    AnsweredFunction,
    AnsweredMessage,
    ChatChunk,
    ChatRequest,
    ChunkChoice,
    Delta,
    parse_chat,
)
from freehold.protocol.generation import Usage

HELLO = [{"role": "user", "content": "Hello"}]


def parse(**fields: Any) -> ChatRequest:
    return parse_chat(json.dumps({"messages": HELLO, **fields}).encode())


def test_messages_are_handed_on_as_they_came() -> None:
    """Their order of keys and their unknown fields are the template's affair."""
    messages = [{"content": [{"text": "a", "type": "text"}], "role": "user", "own": 1}]
    assert parse(messages=messages).messages == messages


def test_both_names_of_the_limit_are_known() -> None:
    """The newer one goes first."""
    assert parse(max_tokens=3).token_limit == 3
    assert parse(max_completion_tokens=4).token_limit == 4
    assert parse(max_tokens=3, max_completion_tokens=4).token_limit == 4
    assert parse().token_limit is None


def test_logarithms_are_wanted_or_not() -> None:
    """None; of the token taken; of others too."""
    assert parse().alternatives is None
    assert parse(logprobs=False).alternatives is None
    assert parse(logprobs=True).alternatives == 0
    assert parse(logprobs=True, top_logprobs=5).alternatives == 5


def test_tools_are_usable_unless_the_choice_is_none() -> None:
    """Then the model is not told of them."""
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert parse(tools=tools).usable_tools == tools
    assert parse(tools=tools, tool_choice="none").usable_tools == []
    assert parse().usable_tools == []


def test_choices_and_usage_have_defaults() -> None:
    """One answer, and no frame of usage unless it is asked for."""
    assert parse().choices == 1
    assert parse(n=3).choices == 3
    assert not parse(stream=True).includes_usage
    assert parse(stream=True, stream_options={"include_usage": True}).includes_usage


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"messages": []}, "list_empty"),
        ({"messages": ["hello"]}, "request_invalid"),
        ({"messages": None}, "request_invalid"),
        ({"max_completion_tokens": 0}, "parameter_invalid"),
        ({"top_logprobs": 3}, "parameter_invalid"),
        ({"logprobs": True, "top_logprobs": 21}, "parameter_invalid"),
        ({"logprobs": True, "top_logprobs": -1}, "parameter_invalid"),
        ({"functions": [{"name": "f"}]}, "field_refused"),
        ({"function_call": "auto"}, "field_refused"),
        ({"modalities": ["text", "audio"]}, "field_unsupported"),
        ({"modalities": ["image"]}, "field_unsupported"),
        ({"audio": {"voice": "alloy"}}, "field_unsupported"),
        ({"web_search_options": {"a": 1}}, "field_unsupported"),
        ({"temperature": "hot"}, "request_invalid"),
        ({"tools": {"name": "f"}}, "request_invalid"),
        ({"n": 100}, "parameter_invalid"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], code: str) -> None:
    """A request that would mean something else is never answered."""
    with pytest.raises(FreeholdError, match=code) as error:
        parse(**fields)
    assert error.value.kind is Kind.INVALID


@pytest.mark.parametrize("words", ["thinking", "budget_tokens", "integer_below_min_value"])
def test_no_error_has_words_that_dify_takes_for_a_sign(words: str) -> None:
    """Its plugin sends a changed request once more when it reads these."""
    for fields in ({"max_tokens": 0}, {"functions": [1]}, {"messages": []}, {"temperature": 9}):
        with pytest.raises(FreeholdError) as error:
            parse(**fields)
        assert words not in f"{error.value.cause} {error.value.fix} {error.value.code}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": 1}', b'{"messages": [{"role": "\xff"}]}', b"null"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Broken JSON and bytes that are not UTF-8 too."""
    with pytest.raises(FreeholdError) as error:
        parse_chat(body)
    assert error.value.kind is Kind.INVALID


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(ChatRequest.__struct_fields__)), values, max_size=6))
@settings(max_examples=200)
def test_any_fields_are_a_request_or_a_clear_error(fields: dict[str, Any]) -> None:
    """Nothing else than FreeholdError is raised."""
    with suppress(FreeholdError):
        request = parse(**fields)
        assert request.choices <= 16
        assert all(request.stops())
        assert all(isinstance(token, int) for token in request.biases())


def test_a_chunk_has_only_what_it_adds() -> None:
    """Absent fields are left out, but a delta, `logprobs` and `finish_reason` are always there."""
    call = AnsweredCall(0, "call_1", "function", AnsweredFunction("f", ""))
    fragment = AnsweredCall(0, function=AnsweredFunction(arguments="{}"))
    choice = ChunkChoice(0, Delta("assistant", tool_calls=[call, fragment]))
    chunk = ChatChunk("id", "chat.completion.chunk", 1, "m", [choice], "fp_1")
    assert json.loads(msgspec.json.encode(chunk)) == {
        "id": "id",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "delta": {
                    "role": "assistant",
                    "tool_calls": [
                        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}},
                        {"index": 0, "function": {"arguments": "{}"}},
                    ],
                },
                "logprobs": None,
                "finish_reason": None,
            }
        ],
        "system_fingerprint": "fp_1",
    }
    chunk.usage = None
    assert json.loads(msgspec.json.encode(chunk))["usage"] is None
    chunk.usage = Usage.of(1, 2, 0)
    assert json.loads(msgspec.json.encode(chunk))["usage"]["total_tokens"] == 3


def test_a_message_of_calls_alone_has_null_content() -> None:
    """As OpenAI writes it."""
    assert json.loads(msgspec.json.encode(AnsweredMessage("assistant", None))) == {"role": "assistant", "content": None}
