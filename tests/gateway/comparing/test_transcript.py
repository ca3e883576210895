"""Answers in words, whole and in pieces, put together into what was said."""

import json
from typing import Any

import msgspec
import pytest

from freehold.gateway.comparing.transcript import Said, events, streamed, whole


def frames(*values: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + b"data: [DONE]\n\n"


def piece(delta: dict[str, Any], ending: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": ending}]}


def test_a_streamed_chat_says_what_a_whole_one_says() -> None:
    """Text in pieces, then why it ended; roles and usage say nothing."""
    stream = frames(
        piece({"role": "assistant", "content": ""}), piece({"content": "Hel"}), piece({"content": "lo"}, "stop")
    ) + frames({"choices": [], "usage": {"total_tokens": 4}})
    message = {"content": "Hello", "reasoning_content": "greet"}
    body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    assert streamed(stream) == whole(body) == (Said("Hello", "stop"),)


def test_calls_of_tools_come_in_pieces() -> None:
    """By their index; two at a time may grow."""
    stream = frames(
        piece({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}}]}),
        piece({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "now", "arguments": "{"}}]}),
        piece({"tool_calls": [{"index": 0, "function": {"arguments": '{"x": 1}'}}]}),
        piece({"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]}, "tool_calls"),
    )
    assert streamed(stream) == (Said("", "tool_calls", (("add", '{"x": 1}'), ("now", "{}"))),)


def test_calls_without_numbers_are_whole() -> None:
    """Some servers number none, and write arguments as an object."""
    calls = [{"function": {"name": "add", "arguments": {"x": 1}}}, {"function": {"name": "now", "arguments": "{}"}}]
    body = json.dumps({"choices": [{"message": {"content": None, "tool_calls": calls}}]}).encode()
    assert whole(body) == (Said("", "", (("add", '{"x":1}'), ("now", "{}"))),)


def test_choices_are_told_apart() -> None:
    """Pieces of several may come in any order."""
    stream = frames(piece({"content": "b"}, "stop", 1), piece({"content": "a"}, "length", 0))
    assert streamed(stream) == (Said("a", "length"), Said("b", "stop"))


def test_completions_and_parts_of_content_are_texts() -> None:
    """The older API has the text in the choice; content may come in parts, or be a refusal."""
    assert streamed(frames({"choices": [{"text": "a"}]}, {"choices": [{"text": "b"}]})) == (Said("ab", ""),)
    parts = {"choices": [{"message": {"content": [{"type": "text", "text": "a"}], "refusal": "no"}}]}
    assert whole(json.dumps(parts).encode()) == (Said("ano", ""),)


def test_responses_say_the_same_whole_and_streamed() -> None:
    """The last event of a stream has the whole of it."""
    output = [
        {"type": "reasoning", "content": [{"text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "name": "add", "arguments": "{}"},
    ]
    response = {"object": "response", "status": "completed", "output": output}
    stream = frames(
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "delta": "Hello"},
        {"type": "response.completed", "response": response},
    )
    assert whole(json.dumps(response).encode()) == streamed(stream) == (Said("Hello", "completed", (("add", "{}"),)),)


def test_generated_text_of_the_open_inference_protocol_is_text() -> None:
    """Its stream has a piece an event."""
    assert whole(b'{"model_name": "m", "text_output": "ab"}') == (Said("ab", ""),)
    assert streamed(frames({"text_output": "a"}, {"text_output": "b"})) == (Said("ab", ""),)


def test_a_stream_that_breaks_ends_in_an_error() -> None:
    """An answer that is not whole must not pass for one."""
    assert streamed(frames(piece({"content": "a"}), {"error": {"message": "cut"}})) == (Said("a", "error"),)
    assert streamed(frames({"error": "cut"})) == (Said("", "error"),)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_at_every_line_ending(ending: bytes) -> None:
    """Comments are left out, several lines of data are one, one space behind the colon is none of them."""
    lines = [b": here", b"", b"event: x", b"data:a", b"data:  b", b"", b"id: 3", b"", b"data: c"]
    assert list(events(ending.join(lines))) == [b"a\n b", b"c"]


def test_what_is_no_such_answer_is_told() -> None:
    """Other JSON says nothing, and what is no JSON raises."""
    assert whole(b'{"data": []}') is None
    assert streamed(b": nothing\n\n") is None
    with pytest.raises(msgspec.DecodeError):
        streamed(b"data: {\n\n")
