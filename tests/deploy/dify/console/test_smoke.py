"""Real calls through Dify, and nothing left of them."""

from typing import Any

import pytest

from freehold.deploy.dify.console import Console
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened
from tests.dify_console.model_server import KEY, ModelServer
from tests.dify_console.state import Dify

CHAT = "POST /v1/chat-messages"
ENDED = "data: {}\n\n"


def register(console: Console, models: ModelServer) -> None:
    """A model of each type."""
    common = {"endpoint_url": models.url, "api_key": KEY, "context_size": "4096"}
    console.models.put("chat", "llm", common | {"mode": "chat"}, "freehold")
    console.models.put("embed", "text-embedding", common | {"max_chunks": "1"}, "freehold")
    console.models.put("rank", "rerank", common, "freehold")


def is_clean(dify: Dify) -> bool:
    """Whether nothing is left of a check."""
    return not dify.apps and not dify.knowledge and not dify.knowledge_keys


def test_a_chat_goes_through_an_app(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """The model is asked, streamed, and its answer comes back."""
    with opened(dify) as console:
        register(console, models)
        assert console.smoke.chat("chat") == "It is blue."
    path, body = models.asked[-1]
    assert (path, body["stream"], body["model"], body["max_tokens"]) == ("/v1/chat/completions", True, "chat", 64)
    assert is_clean(dify)


def test_a_text_is_indexed_and_found(opened: Opened, dify: Dify, models: ModelServer, said: list[str]) -> None:
    """By the embedding model, and ranked where there is one for it."""
    with opened(dify) as console:
        register(console, models)
        assert "warehouse" in console.smoke.retrieval("embed")
        assert "warehouse" in console.smoke.retrieval("embed", "rank")
    assert models.asked[-1][0] == "/v1/rerank"
    assert any("indexing a text" in line for line in said)
    assert is_clean(dify)


def test_a_model_that_fails_leaves_nothing_behind(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """The app goes though the question failed; the model's words are told."""
    with opened(dify) as console:
        register(console, models)
        models.status = 500
        with pytest.raises(FreeholdError, match=r"not today.*\[dify_console_smoke\]"):
            console.smoke.chat("chat")
    assert is_clean(dify)


@pytest.mark.parametrize("answer", ["", " "])
def test_an_empty_answer_is_no_answer(opened: Opened, dify: Dify, models: ModelServer, answer: str) -> None:
    """The stream ended well and said nothing."""
    with opened(dify) as console:
        register(console, models)
        models.answer = answer
        with pytest.raises(FreeholdError, match=r"the answer is empty \[dify_console_smoke\]"):
            console.smoke.chat("chat")
    assert is_clean(dify)


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        (b'data: {"event": "message", "answer": "It"}\n\n', r"without an end \[dify_console_smoke\]"),
        (b'data: {"event": "error"}\n\n', r"an error without words \[dify_console_smoke\]"),
        (b'data: {"kind": "message"}\n\n', r"\[dify_console_shape\]"),
    ],
)
def test_a_stream_that_is_broken_is_told(
    opened: Opened, dify: Dify, models: ModelServer, frames: bytes, match: str
) -> None:
    """Cut, failed without words, or of another shape."""
    dify.broken[CHAT] = (200, frames)
    with opened(dify) as console:
        register(console, models)
        with pytest.raises(FreeholdError, match=match):
            console.smoke.chat("chat")
    assert is_clean(dify)


def test_a_service_api_elsewhere_is_explained(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """The fix names the path that leads nowhere here."""
    dify.service_api = False
    with opened(dify) as console:
        register(console, models)
        with pytest.raises(FreeholdError, match=r"chat-messages: status 404.*\[dify_console_smoke\]") as refused:
            console.smoke.chat("chat")
        with pytest.raises(FreeholdError, match=r"datasets: status 404.*\[dify_console_smoke\]"):
            console.smoke.retrieval("embed")
    assert "SERVICE_API_URL" in refused.value.fix
    assert is_clean(dify)


@pytest.mark.parametrize(
    ("switches", "match"),
    [
        ({"indexing_error": "the worker died"}, r"ended as error: the worker died"),
        ({"indexing_polls": -1}, r"after 0 s indexing is still indexing"),
    ],
)
def test_indexing_that_fails_or_hangs_leaves_nothing(
    opened: Opened, dify: Dify, models: ModelServer, switches: dict[str, Any], match: str
) -> None:
    """The knowledge base and its key go."""
    for name, value in switches.items():
        setattr(dify, name, value)
    with opened(dify, wait_s=0.4) as console:
        register(console, models)
        with pytest.raises(FreeholdError, match=rf"{match}.*\[dify_console_smoke\]"):
            console.smoke.retrieval("embed")
    assert is_clean(dify)


def test_what_cannot_be_removed_is_said(opened: Opened, dify: Dify, models: ModelServer, said: list[str]) -> None:
    """It hides neither the answer nor a failure."""
    dify.broken["DELETE /console/api/apps/{app}"] = (500, {"message": "the database is locked"})
    with opened(dify) as console:
        register(console, models)
        assert console.smoke.chat("chat") == "It is blue."
    assert any("is still there" in line and "the database is locked" in line for line in said)


def test_a_text_that_is_not_found_is_a_failure(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """An empty list of what was found."""
    dify.changed["POST /v1/datasets/{base}/retrieve"] = lambda body: body | {"records": []}
    with opened(dify) as console:
        register(console, models)
        with pytest.raises(FreeholdError, match=r"was not found again \[dify_console_smoke\]"):
            console.smoke.retrieval("embed")
    assert is_clean(dify)
