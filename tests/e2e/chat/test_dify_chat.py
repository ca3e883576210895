"""Dify's plugin `openai_api_compatible` against a real server: what it sends, and its way to read what comes back.

The numbers are those of the list of edge cases that a server for Dify must satisfy. The reader below follows the
plugin's algorithm from its description: it sees the bytes of a raw socket, in whatever pieces they come.
"""

import codecs
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

BASES = ["", "/v1"]
HELLO = [{"role": "user", "content": "你好，谁拥有土地？"}]
ENDLESS = {"ignore_eos": True}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "查询",
            "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
        },
    }
    for name in ("lamp", "heater")
]


def send(node: Any, path: str, body: bytes, **headers: str) -> socket.socket:
    """One request on a connection of its own; the plugin's headers."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {node.address[0]}",
        "Content-Type: application/json",
        "Accept-Charset: utf-8",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    client = socket.create_connection(node.address, timeout=30)
    client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return client


def received(client: socket.socket, step: int) -> Iterator[bytes]:
    """The bytes of the answer, `step` at a time."""
    while piece := client.recv(step):
        yield piece


def unchunked(pieces: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
    """The status of an answer, and its body as it comes, the chunks' frames taken off."""
    held = b""
    while b"\r\n\r\n" not in held:
        held += next(pieces)
    head, _, held = held.partition(b"\r\n\r\n")

    def body(held: bytes) -> Iterator[bytes]:
        while True:
            while b"\r\n" not in held:
                held += next(pieces)
            size = int(held.partition(b"\r\n")[0], 16)
            start = held.index(b"\r\n") + 2
            while len(held) < start + size + 2:
                held += next(pieces)
            if size == 0:
                return
            yield held[start : start + size]
            held = held[start + size + 2 :]

    assert b"transfer-encoding: chunked" in head.lower()
    return int(head.split()[1]), body(held)


@dataclass
class Heard:
    """What the plugin makes of a stream."""

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)


def lines(body: Iterator[bytes]) -> Iterator[str]:
    """The stream cut at "\\n\\n", decoded as it comes; the end of the connection ends the last line."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held = ""
    for piece in body:
        held += decoder.decode(piece)
        *whole, held = held.split("\n\n")
        yield from whole
    if held:
        yield held


def merge_call(heard: Heard, fragment: dict[str, Any]) -> None:
    """A fragment belongs to the call of its id; one without an id to the last call."""
    id_ = fragment.get("id")
    if id_ or not heard.calls:
        known = next((call for call in heard.calls if call["id"] == id_), None)
        if known is None:
            heard.calls.append({"id": id_, "type": "", "name": "", "arguments": ""})
    call = next((call for call in heard.calls if call["id"] == id_), heard.calls[-1])
    call["type"] = fragment.get("type") or call["type"]
    function = fragment.get("function") or {}
    call["name"] = function.get("name") or call["name"]
    call["arguments"] += function.get("arguments") or ""


def hear(body: Iterator[bytes]) -> Heard:
    """The plugin's reading of a stream. A line that is no JSON ends it."""
    heard, thinking = Heard(), False
    for line in lines(body):
        data = line.strip().removeprefix("data:").strip()
        if not data or data.startswith(":"):
            continue
        if data == "[DONE]":
            continue
        chunk = json.loads(data)
        if "error" in chunk and "choices" not in chunk:
            raise ValueError(chunk["error"])
        heard.usage = chunk.pop("usage", None) or heard.usage
        if not chunk["choices"]:
            continue
        choice = chunk["choices"][0]
        heard.finish_reason = choice.get("finish_reason") or heard.finish_reason
        delta = choice.get("delta")
        content = choice.get("text", "") if delta is None else delta.get("content") or ""
        reasoning = (delta or {}).get("reasoning_content")
        if bool(reasoning) != thinking and (reasoning or content):
            heard.text += "<think>\n" if reasoning else "\n</think>"
            thinking = bool(reasoning)
        heard.text += reasoning or content
        for fragment in (delta or {}).get("tool_calls") or ():
            merge_call(heard, fragment)
    return heard


def stream(node: Any, path: str = "/v1/chat/completions", step: int = 65536, **fields: Any) -> tuple[bytes, Heard]:
    """A streamed call as the plugin makes it: the bytes of the body, and what it hears in them."""
    with send(node, path, json.dumps({"model": "talker", "stream": True, **fields}).encode()) as client:
        status, body = unchunked(received(client, step))
        assert status == 200
        pieces = list(body)
    return b"".join(pieces), hear(iter(pieces))


def post(node: Any, path: str, payload: dict[str, Any], **headers: str) -> Any:
    return node.client.post(path, content=json.dumps(payload), headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize("step", [1, 7, 65536])
def test_frames_end_in_one_blank_line_and_are_json_with_choices(chat_node: Any, step: int) -> None:
    """1, 2, 10: "\\n\\n" and nothing else between frames; usage before [DONE]; cut anywhere it reads the same."""
    given = {"messages": HELLO, "max_tokens": 24, "stream_options": {"include_usage": True}, **ENDLESS}
    raw, heard = stream(chat_node, step=step, **given)
    assert b"\r" not in raw
    frames = raw.split(b"\n\n")
    assert frames[-2:] == [b"data: [DONE]", b""]
    assert all(frame.startswith(b"data: ") and b"\n" not in frame for frame in frames[:-1])
    chunks = [json.loads(frame[6:]) for frame in frames[:-2]]
    assert [chunk["choices"] for chunk in chunks][-1] == []
    assert all(chunk["choices"] for chunk in chunks[:-1])
    assert heard.usage == chunks[-1]["usage"]
    assert heard.usage is not None
    assert heard.usage["completion_tokens"] == 24
    assert heard.finish_reason == "length"
    assert "\ufffd" not in heard.text


def test_a_completion_streams_its_text(chat_node: Any) -> None:
    """The mode "completion": `text` in the place of a delta, read by the same algorithm."""
    asked = {"prompt": "土地", "max_tokens": 16, "stream_options": {"include_usage": True}, **ENDLESS}
    _, heard = stream(chat_node, "/v1/completions", **asked)
    whole = post(chat_node, "/v1/completions", {"model": "talker", **asked}).json()
    assert (heard.text, heard.usage) == (whole["choices"][0]["text"], whole["usage"])
    assert heard.finish_reason == "length"


def test_a_stream_without_options_has_no_usage(chat_node: Any) -> None:
    """3: the plugin then counts itself; no frame without choices comes."""
    raw, heard = stream(chat_node, messages=HELLO, max_tokens=4, **ENDLESS)
    assert heard.usage is None
    assert b'"choices":[]' not in raw


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("path", "asked", "name"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "ping"}]}, "chat.completion"),
        ("completions", {"prompt": "ping"}, "text_completion"),
    ],
)
def test_a_model_validates(chat_node: Any, base: str, path: str, asked: dict[str, Any], name: str) -> None:
    """4, 5, 17, 18: `validate_credentials` with `max_tokens` 5, with and without /v1; usage has both counts."""
    answer = post(chat_node, f"{base}/{path}", {"model": "talker", "max_tokens": 5, **asked})
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == name
    assert answer.json()["usage"].keys() >= {"prompt_tokens", "completion_tokens", "total_tokens"}


@pytest.mark.parametrize("base", BASES)
def test_a_model_validates_by_streaming(chat_node: Any, base: str) -> None:
    """`stream_mode_auth=use`: ten tokens, streamed."""
    _, heard = stream(chat_node, f"{base}/chat/completions", messages=HELLO, max_tokens=10)
    assert heard.finish_reason in ("stop", "length")


def test_without_max_tokens_the_answer_is_as_long_as_it_likes(chat_node: Any) -> None:
    """6: more than the 16 tokens of OpenAI's old default; the model's own limit where it has one."""
    assert (
        post(
            chat_node,
            "/v1/chat/completions",
            {"model": "talker", "messages": HELLO, "stop": ["\x00\x00\x00"], **ENDLESS},
        ).json()["usage"]["completion_tokens"]
        > 500
    )
    capped = post(chat_node, "/v1/chat/completions", {"model": "capped", "messages": HELLO, **ENDLESS}).json()
    assert capped["usage"]["completion_tokens"] <= 16


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_three_tokens_are_three_tokens(chat_node: Any, name: str) -> None:
    """6: under both names, streamed and not."""
    asked = {"model": "talker", "messages": HELLO, name: 3, **ENDLESS}
    whole = post(chat_node, "/v1/chat/completions", asked).json()
    assert whole["usage"]["completion_tokens"] == 3
    assert whole["choices"][0]["finish_reason"] == "length"
    assert stream(chat_node, **asked)[1].finish_reason == "length"


def test_stops_are_honoured_and_not_returned(chat_node: Any) -> None:
    """7: streamed and not, a stop that begins in the midst of tokens too."""
    asked = {"model": "talker", "messages": HELLO, "max_tokens": 60, **ENDLESS}
    whole = post(chat_node, "/v1/chat/completions", asked).json()["choices"][0]["message"]["content"]
    stop = whole[9:12]
    cut = post(chat_node, "/v1/chat/completions", {**asked, "stop": [stop]}).json()["choices"][0]
    _, heard = stream(chat_node, **asked, stop=[stop])
    assert cut["message"]["content"] == heard.text == whole[: whole.index(stop)]
    assert cut["finish_reason"] == heard.finish_reason == "stop"


def test_an_unknown_model_and_an_over_long_prompt_fail_with_a_text(chat_node: Any) -> None:
    """8: by status for the validation, by the body for the user."""
    unknown = post(chat_node, "/v1/chat/completions", {"model": "qwen3", "messages": HELLO})
    assert unknown.status_code == 404
    assert "qwen3" in unknown.json()["error"]["message"]
    long = [{"role": "user", "content": "很长。" * 2000}]
    for streamed in (False, True):
        overrun = post(chat_node, "/v1/chat/completions", {"model": "talker", "messages": long, "stream": streamed})
        assert overrun.status_code == 400
        assert "4096" in overrun.json()["error"]["message"]


def test_what_dify_adds_is_ignored_and_what_switches_thinking_off_is_not(chat_node: Any) -> None:
    """9: `user`, `thinking`, `reasoning_format` mean nothing here; the template's switches do."""
    added = {"user": "1c5e1d52", "thinking": {"type": "disabled"}, "reasoning_format": "none", "response_format": None}
    asked = {"model": "thinker", "messages": HELLO, "max_tokens": 8, **added, **ENDLESS}
    assert stream(chat_node, **asked)[1].text.startswith("<think>\n")
    for switch in (
        {"enable_thinking": False},
        {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
    ):
        assert "<think>" not in stream(chat_node, **asked, **switch)[1].text


def test_a_conversation_of_an_agent_is_understood(chat_node: Any) -> None:
    """11: parts as content, "" beside calls, an answer by `tool_call_id` alone."""
    call = {"id": "call_1", "type": "function", "function": {"name": "lamp", "arguments": '{"on": true}'}}
    messages = [
        {"role": "system", "content": "你是助手。"},
        {"role": "user", "content": [{"type": "text", "text": "开灯"}]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "好了", "tool_call_id": "call_1"},
    ]
    asked = {"messages": messages, "tools": TOOLS, "tool_choice": "auto", "max_tokens": 8}
    _, heard = stream(chat_node, **asked, **ENDLESS)
    assert heard.finish_reason == "length"


def test_calls_merge_by_id_into_whole_calls(chat_node: Any) -> None:
    """12: the first fragment has id, type and name; the arguments are JSON text."""
    asked = {
        "messages": HELLO,
        "tools": TOOLS,
        "tool_choice": "required",
        "max_tokens": 300,
        "temperature": 1,
        "seed": 3,
    }
    _, heard = stream(chat_node, **asked)
    whole = post(chat_node, "/v1/chat/completions", {"model": "talker", **asked}).json()["choices"][0]
    calls = whole["message"]["tool_calls"]
    assert [(call["name"], call["arguments"]) for call in heard.calls] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in calls
    ]
    assert all(call["type"] == "function" and call["id"] for call in heard.calls)
    assert isinstance(json.loads(heard.calls[0]["arguments"])["on"], bool)
    assert heard.finish_reason == whole["finish_reason"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_schema_is_taken_as_the_user_typed_it(chat_node: Any, wrapped: bool) -> None:
    """13: {name, schema, strict} or the schema itself; the plugin also writes it into the system prompt."""
    schema = {"type": "object", "properties": {"灯": {"enum": ["开", "关"]}}, "required": ["灯"]}
    given = {"name": "lamp", "schema": {**schema, "additionalProperties": False}, "strict": True}
    form = {"type": "json_schema", "json_schema": given if wrapped else given["schema"]}
    messages = [{"role": "system", "content": f"Answer by {json.dumps(schema)}"}, *HELLO]
    _, heard = stream(chat_node, messages=messages, response_format=form, max_tokens=100)
    assert json.loads(heard.text)["灯"] in ("开", "关")


def test_an_agent_may_call_its_tools_or_answer_by_its_schema(chat_node: Any) -> None:
    """11, 13: the plugin sends tools with "auto" beside the format that the user chose: one of the two comes."""
    schema = {"type": "object", "properties": {"灯": {"enum": ["开", "关"]}}, "required": ["灯"]}
    form = {"type": "json_schema", "json_schema": {**schema, "additionalProperties": False}}
    on = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}
    tools = [{"type": "function", "function": {"name": "lamp", "parameters": {**on, "additionalProperties": False}}}]
    asked = {"messages": HELLO, "tools": tools, "tool_choice": "auto", "response_format": form, "max_tokens": 300}
    for seed in range(4):
        _, heard = stream(chat_node, **asked, temperature=1.0, seed=seed)
        if heard.calls:
            assert isinstance(json.loads(heard.calls[0]["arguments"])["on"], bool)
            assert not heard.text
        else:
            assert json.loads(heard.text)["灯"] in ("开", "关")


def test_an_empty_authorization_is_no_key(chat_node: Any) -> None:
    """15: where the door is open it opens."""
    asked = {"model": "talker", "messages": HELLO, "max_tokens": 3}
    assert post(chat_node, "/v1/chat/completions", asked, Authorization="").status_code == 200


def test_a_wrong_key_is_401_for_a_chat_too(launch: Any, decoder_folders: Any, tmp_path: Any) -> None:
    """8, 15: without a key, with an empty one, with a wrong one; the right one streams."""
    config = {
        "models": [{"id": "talker", "source": str(decoder_folders["talker"])}],
        "server": {"host": "0.0.0.0"},
    }
    (tmp_path / "freehold.yaml").write_text(yaml.safe_dump(config))
    node = launch(tmp_path / "freehold.yaml", "--no-tune", home=tmp_path / "home")
    key = (tmp_path / "home" / "initial-key").read_text().strip()
    asked = {"model": "talker", "messages": HELLO, "max_tokens": 3}
    for wrong in ({}, {"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        answer = post(node, "/v1/chat/completions", asked, **wrong)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"]
    node.client.headers["Authorization"] = f"Bearer {key}"
    assert post(node, "/chat/completions", asked).status_code == 200


def test_comments_are_skipped(chat_node: Any) -> None:
    """17: a keep-alive comment between frames is no frame; the plugin's reader passes over it."""
    raw, heard = stream(chat_node, messages=HELLO, max_tokens=8, **ENDLESS)
    with_comments = b": ping\n\n" + raw.replace(b"\n\n", b"\n\n: ping\n\n")
    assert hear(iter([with_comments])) == heard


def test_the_plugin_for_triton_gets_its_text(chat_node: Any) -> None:
    """`/v2/models/{m}/generate` without a key, never streamed; `text_output` is the answer alone."""
    asked = {"text_input": "Human: 你好\n\nAssistant: ", "max_tokens": 8, "parameters": {"stream": False, **ENDLESS}}
    answer = post(chat_node, "/v2/models/talker/generate", asked)
    assert answer.status_code == 200, answer.text
    assert "Human" not in answer.json()["text_output"]
