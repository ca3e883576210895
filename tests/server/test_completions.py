"""Plain completions over HTTP, from a node in this process."""

import json
from typing import Any

import httpx
import pytest


def ask(node: httpx.Client, path: str = "/v1/completions", **given: Any) -> httpx.Response:
    return node.post(path, json={"model": "talker", "prompt": "The land", "max_tokens": 6, "ignore_eos": True, **given})


@pytest.mark.parametrize("path", ["/v1/completions", "/completions"])
def test_every_path_of_completions_answers(text_node: httpx.Client, path: str) -> None:
    """With the version and without it."""
    answer = ask(text_node, path).json()
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["finish_reason"] == "length"


def test_usage_counts_each_prompt_once(text_node: httpx.Client) -> None:
    """However many answers it got."""
    one = ask(text_node).json()["usage"]
    four = ask(text_node, prompt=["The land", "The land"], n=2, seed=1).json()["usage"]
    assert four["prompt_tokens"] == 2 * one["prompt_tokens"]
    assert four["completion_tokens"] == 4 * one["completion_tokens"] == 24


def test_echo_repeats_the_prompt_as_text(text_node: httpx.Client) -> None:
    """Also one of token ids; in a stream it comes with the first frame."""
    plain = ask(text_node).json()["choices"][0]["text"]
    assert ask(text_node, echo=True).json()["choices"][0]["text"] == f"The land{plain}"
    echoed = ask(text_node, prompt=[40, 41], echo=True).json()["choices"][0]["text"]
    assert echoed.endswith(ask(text_node, prompt=[40, 41]).json()["choices"][0]["text"])
    frames = ask(text_node, echo=True, stream=True).text.split("\n\n")[:-2]
    assert "".join(json.loads(frame[6:])["choices"][0]["text"] for frame in frames) == f"The land{plain}"


def test_a_stream_ends_with_usage_where_it_is_wanted(text_node: httpx.Client) -> None:
    """Without choices, before DONE."""
    frames = ask(text_node, stream=True, stream_options={"include_usage": True}).text.split("\n\n")
    usage = json.loads(frames[-3][6:])
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 6
    assert frames[-2:] == ["data: [DONE]", ""]


def test_logarithms_are_lists_by_token(text_node: httpx.Client) -> None:
    """0 asks for those of the tokens taken alone."""
    lists = ask(text_node, logprobs=2).json()["choices"][0]["logprobs"]
    assert {name: len(values) for name, values in lists.items()} == dict.fromkeys(lists, 6)
    assert ask(text_node, logprobs=0).json()["choices"][0]["logprobs"]["top_logprobs"] is None


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"prompt": [100_000]}, "token_out_of_range"),
        ({"prompt": "a" * 3000}, "context_overflow"),
        ({"suffix": "end"}, "field_unsupported"),
        ({"prompt": "x" * 20_000}, "context_overflow"),
        ({"model": "tiny"}, "model_kind_wrong"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_cannot_be_continued_says_why(
    text_node: httpx.Client, given: dict[str, Any], code: str, stream: bool
) -> None:
    """Before the first frame."""
    answer = ask(text_node, **given, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
