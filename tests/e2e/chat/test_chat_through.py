"""A chat through a node that stands before the one that computes it."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

ASKED = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0, "max_tokens": 24}


@pytest.fixture(scope="session")
def front(shared_launch: Callable[..., Any], chat_node: Any) -> Any:
    """A node whose `talker` is the other's, and whose `renamed` is the same under another name."""
    source = f"{chat_node.url}/v1"
    models = [{"id": "talker", "source": source}, {"id": "renamed", "source": source, "upstream_model": "talker"}]
    return shared_launch({"models": models})


@pytest.fixture(autouse=True)
def known(front: Any, soon: Callable[..., Any]) -> None:
    """Both models have been seen."""
    soon(lambda: len(front.client.get("/v1/models").json()["data"]) == 2, "both are known")


def frames(body: str) -> list[Any]:
    """What the data frames of a stream say, without ids and times."""
    datas = [frame.removeprefix("data: ") for frame in body.split("\n\n") if frame.startswith("data: ")]
    parsed = [json.loads(data) for data in datas if data != "[DONE]"]
    return [{key: value for key, value in one.items() if key not in ("id", "created")} for one in parsed]


def test_a_stream_says_the_same_through_another_node(front: Any, chat_node: Any) -> None:
    """Frame by frame, the usage at its end included."""
    asked = {**ASKED, "model": "talker", "stream": True, "stream_options": {"include_usage": True}}
    direct = chat_node.client.post("/v1/chat/completions", json=asked)
    through = front.client.post("/v1/chat/completions", json=asked)
    assert frames(through.text) == frames(direct.text)
    assert through.text.endswith("data: [DONE]\n\n")
    assert through.headers["content-type"] == direct.headers["content-type"]


def test_the_openai_client_chats_through_it(front: Any, chat_node: Any) -> None:
    """Streaming and whole, under the name that this node gives the model."""
    with openai.OpenAI(base_url=f"{front.url}/v1", api_key="unused") as client:
        whole = client.chat.completions.create(model="renamed", **ASKED)  # type: ignore[call-overload] # a dict
        pieces = client.chat.completions.create(model="renamed", stream=True, **ASKED)  # type: ignore[call-overload] # a dict
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    direct = chat_node.client.post("/v1/chat/completions", json={**ASKED, "model": "talker"}).json()
    assert whole.choices[0].message.content == text == direct["choices"][0]["message"]["content"]
    assert whole.usage.completion_tokens == direct["usage"]["completion_tokens"]


def test_errors_of_the_other_node_are_told_as_there(front: Any) -> None:
    """Its status, its code, its words."""
    answer = front.client.post("/v1/chat/completions", json={**ASKED, "model": "talker", "max_tokens": 10**7})
    direct_code = answer.json()["error"]["code"]
    assert answer.status_code == 400
    assert direct_code not in {"upstream_cut", "upstream_garbage"}


def test_who_leaves_here_leaves_there(front: Any, chat_node: Any, soon: Callable[..., Any]) -> None:
    """The other node stops computing for a client that has closed its stream with this one."""
    asked = {**ASKED, "model": "talker", "stream": True, "max_tokens": 2000, "ignore_eos": True}
    with front.client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        next(answer.iter_raw())
    for node in (front, chat_node):
        soon(lambda node=node: node.metric("freehold_model_requests_in_flight", model="talker") == 0, "it has ended")


def test_what_it_can_do_is_what_the_other_says(front: Any, chat_node: Any) -> None:
    """Asked of it, not configured."""
    theirs = {row["id"]: row["abilities"] for row in chat_node.client.get("/v1/models").json()["data"]}
    ours = {row["id"]: row["abilities"] for row in front.client.get("/v1/models").json()["data"]}
    assert ours == {"talker": theirs["talker"], "renamed": theirs["talker"]}
