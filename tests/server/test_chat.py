"""Chat over HTTP, from a node in this process; `tests/e2e/test_chat.py` has the whole of it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.protocol.chat import ChatRequest

HELLO = [{"role": "user", "content": "Hello"}]


def ask(node: httpx.Client, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    body = {"model": "talker", "messages": HELLO, "max_tokens": 8, "ignore_eos": True, **more}
    return node.post(path, json=body)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"])
def test_every_path_of_chat_answers(text_node: httpx.Client, path: str) -> None:
    """With the version, without it, with a slash too many."""
    answer = ask(text_node, path).json()
    assert answer["object"] == "chat.completion"
    assert answer["usage"]["completion_tokens"] == 8
    assert answer["id"].startswith("chatcmpl-")


def test_the_only_chat_model_needs_no_name(text_node: httpx.Client) -> None:
    """None, or an empty one, which some clients send."""
    for name in (None, ""):
        assert ask(text_node, model=name).json()["model"] == "talker"


def test_the_frames_of_a_stream_join_to_the_whole_answer(text_node: httpx.Client) -> None:
    """Also of several answers, each with its logarithms."""
    asked = {"n": 2, "seed": 1, "temperature": 1, "logprobs": True, "top_logprobs": 1}
    whole = ask(text_node, **asked).json()
    frames = ask(text_node, **asked, stream=True, stream_options={"include_usage": True}).text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    *chunks, usage = [json.loads(frame[6:]) for frame in frames[:-2]]
    assert (usage["choices"], usage["usage"]) == ([], whole["usage"])
    assert all(chunk["usage"] is None for chunk in chunks)
    for choice in whole["choices"]:
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert "".join(one["delta"].get("content", "") for one in own) == choice["message"]["content"]
        infos = [info for one in own for info in (one["logprobs"] or {"content": []})["content"]]
        assert infos == choice["logprobs"]["content"]
        assert own[0]["delta"]["role"] == "assistant"
        assert own[-1]["finish_reason"] == choice["finish_reason"] == "length"


def test_a_long_body_is_prepared_on_another_thread(text_node: httpx.Client) -> None:
    """And answered all the same; what is wrong in it is told."""
    padding = "x" * 20_000
    assert ask(text_node, user=padding).status_code == 200
    refused = ask(text_node, messages=[{"role": "robot", "content": padding}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "message_role_unknown")


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_crashes_says_so_and_answers_again(
    crashing: tuple[httpx.Client, Callable[[], None]], stream: bool
) -> None:
    """A frame with the error in the midst of a stream, after it the end; a 503 where the answer had not begun."""
    node, crash = crashing
    expected = ask(node, temperature=0).json()["choices"]
    if stream:
        asked = {"model": "talker", "messages": HELLO, "max_tokens": 1500, "ignore_eos": True, "stream": True}
        with node.stream("POST", "/v1/chat/completions", json=asked) as answer:
            lines = answer.iter_lines()
            assert "error" not in json.loads(next(lines)[6:])
            crash()
            error = json.loads([line for line in lines if line][-1][6:])["error"]
    else:
        crash()
        refused = ask(node)
        assert refused.status_code == 503
        error = refused.json()["error"]
    assert error["code"] == "engine_stopped"
    assert ".." not in error["message"]
    assert ask(node, temperature=0).json()["choices"] == expected
    assert node.get("/readyz").status_code == 200


def test_an_answer_is_counted(text_node: httpx.Client) -> None:
    """By model and route."""
    ask(text_node)
    text = text_node.get("/metrics").text
    assert 'freehold_first_token_seconds_count{model="talker"}' in text
    assert 'freehold_requests_total{route="/v1/chat/completions",status="200"}' in text


odd_numbers = st.sampled_from([-1, 0, 1, 0.5, 1e308, 10**30, -(10**30), 2**63, True, None])
odd_texts = st.sampled_from(["", "a", "\x00", "数", "<|im_end|>", "</think>", "９", "1" * 5000, "{{ 7 * 7 }}"])
odd_values = st.recursive(
    odd_numbers | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=4,
)
fields = sorted({*ChatRequest.__struct_fields__} - {"messages", "max_tokens", "max_completion_tokens", "model", "n"})


@given(
    st.dictionaries(st.sampled_from(fields), odd_values, max_size=4),
    st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "tool", "assistant"]), "content": odd_values})),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_the_server(text_node: httpx.Client, more: dict[str, Any], messages: list[Any]) -> None:
    """An answer, or an error of the request: never one of ours."""
    body = {"model": "talker", "messages": [*HELLO, *messages], "max_tokens": 3, **more}
    answer = text_node.post("/v1/chat/completions", json=body)
    assert answer.status_code in (200, 400), (body, answer.text)
