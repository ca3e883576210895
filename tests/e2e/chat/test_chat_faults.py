"""Requests for text that cannot be answered, and clients and servers that leave in the midst of an answer."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

HELLO: list[Any] = [{"role": "user", "content": "Hello, who owns the land?"}]
ENDLESS = {"ignore_eos": True}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "height"}}]
NEITHER = {"type": "integer", "minimum": 5, "maximum": 3}
IMPOSSIBLE = {"type": "object", "properties": {"a": NEITHER}, "required": ["a"]}
IMPOSSIBLE_TOOLS: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": IMPOSSIBLE}}]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"model": "gpt-4"}, 404, "talker"),
        ({"model": "minilm"}, 400, "/v1/embeddings"),
        ({"model": "mute"}, 400, "/v1/completions"),
        ({"model": "broken"}, 400, "line"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": -5}, 400, "max_tokens"),
        ({"max_completion_tokens": 0}, 400, "max_completion_tokens"),
        ({"model": "capped", "max_tokens": 17}, 400, "16"),
        ({"messages": [{"role": "user", "content": "a" * 5000}]}, 400, "4096"),
        ({"messages": [{"role": "user", "content": "a"}], "max_tokens": 4090}, 400, "4096"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "a"}]}, 400, "robot"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "content"),
        ({"messages": [{"role": "tool", "content": "3"}]}, 400, "tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            400,
            "image_url",
        ),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]}, 400, "object"),
        ({"tools": [{"type": "function", "function": {"name": "no name"}}]}, 400, "name"),
        ({"tools": [{"type": "retrieval"}]}, 400, "function"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "depth"}}}, 400, "depth"),
        ({"tool_choice": "required"}, 400, "tool"),
        ({"response_format": {"type": "json_schema", "json_schema": {"type": "giraffe"}}}, 400, "giraffe"),
        ({"response_format": {"type": "json_schema", "json_schema": IMPOSSIBLE}}, 400, "unsatisfiable"),
        ({"tools": IMPOSSIBLE_TOOLS, "tool_choice": "required"}, 400, "unsatisfiable"),
        ({"response_format": {"type": "xml"}}, 400, "json_schema"),
        ({"logit_bias": {"99999": 1}}, 400, "99999"),
        ({"temperature": 3}, 400, "temperature"),
        ({"logprobs": True, "top_logprobs": 50}, 400, "top_logprobs"),
        ({"n": 99}, 400, "n"),
        ({"functions": [{"name": "f"}]}, 400, "tools"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_answered_says_why(
    chat_node: Any, fields: dict[str, Any], status: int, says: str, stream: bool
) -> None:
    """OpenAI's error body with its status, before any frame; the sentence names what was wrong."""
    asked = {"model": "talker", "messages": HELLO, "max_tokens": 8, **fields, "stream": stream}
    answer = chat_node.ask("/v1/chat/completions", **asked)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert says in error["message"]


@pytest.mark.parametrize("body", [b'{"model": "talker", "messages": [{"role": "user", "content": "\xff"}]}', b"{", b""])
def test_a_body_that_is_no_json_is_refused(chat_node: Any, body: bytes) -> None:
    """Bytes that are not UTF-8 too."""
    answer = chat_node.client.post("/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "json_malformed")


def test_a_server_that_leaves_says_so_in_its_streams(launch: Any, decoder_folders: dict[str, Path]) -> None:
    """What outlasts the grace time gets an error frame, then the end; the process says that something was cut."""
    models = [{"id": "talker", "source": str(decoder_folders["talker"])}]
    node = launch({"models": models, "server": {"grace_s": 0.1}}, "--no-tune")
    asked = {"model": "talker", "messages": HELLO, "max_tokens": 4000, "stream": True, **ENDLESS}
    with node.client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines)[6:])["choices"][0]["delta"]["role"] == "assistant"
        node.process.terminate()
        last = [line for line in lines if line][-1]
    assert json.loads(last[6:])["error"]["code"] == "shutdown_cut"
    node.left(expected=1)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_place(chat_node: Any, soon: Any, stream: bool) -> None:
    """In the midst of a long stream, and of an answer that comes whole: the rest is never computed."""
    made = chat_node.metric("freehold_generated_tokens_total", model="talker")
    fields = {"model": "talker", "messages": HELLO, "max_tokens": 4000, "stream": stream, **ENDLESS}
    body = json.dumps(fields).encode()
    with socket.create_connection(chat_node.address) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        if stream:
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        soon(lambda: chat_node.metric("freehold_model_requests_in_flight", model="talker") == 1, "it runs")
    soon(lambda: chat_node.metric("freehold_model_requests_in_flight", model="talker") == 0, "it is cancelled")
    assert chat_node.metric("freehold_generated_tokens_total", model="talker") - made < 4000
    assert chat_node.metric("freehold_requests_total", route="/v1/chat/completions", status="499") > 0
