"""Triton's generate extension over HTTP, from a node in this process."""

import json
from typing import Any

import httpx
import pytest


def ask(node: httpx.Client, path: str = "/v2/models/talker/generate", **given: Any) -> httpx.Response:
    return node.post(path, json={"text_input": "The land", "max_tokens": 6, "ignore_eos": True, **given})


def test_the_answer_is_the_text_alone(text_node: httpx.Client) -> None:
    """Unless the prompt is wanted before it."""
    plain = ask(text_node).json()
    assert plain.keys() == {"model_name", "model_version", "text_output"}
    echoed = ask(text_node, exclude_input_in_output=False).json()["text_output"]
    assert echoed == f"The land{plain['text_output']}"


def test_a_stream_is_frames_of_the_same_form(text_node: httpx.Client) -> None:
    """Which join to the whole, the prompt too where it is wanted; there is no frame for the end."""
    for more in ({}, {"exclude_input_in_output": False}):
        whole = ask(text_node, **more).json()["text_output"]
        frames = ask(text_node, "/v2/models/talker/versions/1/generate_stream", **more).text.split("\n\n")
        assert frames.pop() == ""
        assert "".join(json.loads(frame[6:])["text_output"] for frame in frames) == whole


def test_infer_gives_the_same_text(text_node: httpx.Client) -> None:
    """A tensor in and a tensor out, as the model's metadata says; parameters are those of the request."""
    metadata = text_node.get("/v2/models/talker").json()
    assert [(one["name"], one["shape"]) for one in metadata["inputs"]] == [("text_input", [1])]
    given = {"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["The land"]}
    parameters = {"max_tokens": 6, "ignore_eos": True, "timeout": 60_000_000}
    answer = text_node.post("/v2/models/talker/infer", json={"inputs": [given], "parameters": parameters})
    text = ask(text_node).json()["text_output"]
    assert answer.json()["outputs"] == [{"name": "text_output", "datatype": "BYTES", "shape": [1], "data": [text]}]
    refused = text_node.post("/v2/models/talker/infer", json={"inputs": [given], "parameters": {"max_tokens": 0}})
    assert (refused.status_code, "parameter_invalid" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "given", "status", "says"),
    [
        ("/v2/models/none/generate", {}, 404, "model_not_found"),
        ("/v2/models/tiny/generate", {}, 400, "model_kind_wrong"),
        ("/v2/models/talker/versions/2/generate", {}, 404, "version_unknown"),
        ("/v2/models/talker/generate", {"n": 2}, 400, "field_unsupported"),
        ("/v2/models/talker/generate", {"parameters": {"max_tokens": 0}}, 400, "parameter_invalid"),
        ("/v2/models/talker/generate_stream", {"text_input": "a" * 3000}, 400, "context_overflow"),
    ],
)
def test_what_cannot_be_answered_speaks_this_protocol(
    text_node: httpx.Client, path: str, given: dict[str, Any], status: int, says: str
) -> None:
    """An error is a text."""
    answer = ask(text_node, path, **given)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert says in answer.json()["error"]
