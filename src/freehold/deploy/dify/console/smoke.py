"""Real calls through Dify, by an app and a knowledge base that are made for it and removed again.

The chat goes the way of an app: console, service API, plugin daemon, model. Embedding and ranking go the way of a
knowledge base by the documented knowledge API: the worker indexes a text, the vector store finds it, the model ranks.
"""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from freehold.deploy.dify.console.answers import UNREADABLE, Answer
from freehold.deploy.dify.console.calls import MODEL_S, PROVIDER, Calls
from freehold.deploy.dify.console.setting_up import Say
from freehold.deploy.dify.console.wire import Request, Wire
from freehold.errors import FreeholdError

QUESTION = "Answer in one short sentence: what is the colour of a clear sky by day?"
TEXT = "A clear sky is blue by day. The warehouse opens at seven in the morning."
QUERY = "When does the warehouse open?"

T = TypeVar("T")
_USER = "freehold"
_FAILED = frozenset({"error", "paused"})
_APP = {
    "description": "Made by freehold for one question; it may be deleted.",
    "mode": "chat",
    "icon_type": "emoji",
    "icon": "🤖",
    "icon_background": "#FFEAD5",
}
_KNOWLEDGE = {
    "description": "Made by freehold for one search; it may be deleted.",
    "permission": "only_me",
    "indexing_technique": "high_quality",
}
_DOCUMENT = {
    "name": "check.txt",
    "text": TEXT,
    "indexing_technique": "high_quality",
    "doc_form": "text_model",
    "doc_language": "English",
    "process_rule": {"mode": "automatic"},
}


class Made(msgspec.Struct, frozen=True):
    """An app or a knowledge base that was made."""

    id: str


class Key(msgspec.Struct, frozen=True):
    """A key of the service API."""

    id: str
    token: str


class Event(msgspec.Struct, frozen=True):
    """One event of a streamed answer."""

    event: str
    answer: str | None = None
    message: str | None = None


class Indexed(msgspec.Struct, frozen=True):
    """A text that is being indexed, by its batch."""

    batch: str


class Indexing(msgspec.Struct, frozen=True):
    """How far a text is."""

    indexing_status: str
    error: str | None = None


class IndexingReply(msgspec.Struct, frozen=True):
    """All texts of a batch."""

    data: tuple[Indexing, ...]


class Segment(msgspec.Struct, frozen=True):
    """A piece of a text."""

    content: str


class Record(msgspec.Struct, frozen=True):
    """A piece that was found."""

    segment: Segment


class Found(msgspec.Struct, frozen=True):
    """What was found, best first."""

    records: tuple[Record, ...]


class Smoke:
    """Calls that prove the way from Dify through its plugin to the model. Every method raises as `Calls.ask`."""

    def __init__(self, calls: Calls, say: Say) -> None:
        self._calls = calls
        self._say = say

    def chat(self, model: str) -> str:
        """Ask a chat model through an app, streamed as apps do; its answer. Raises `dify_console_smoke`."""
        app = self._calls.ask(Request("POST", "/apps", _APP | {"name": _name()}), Made).id
        try:
            self._calls.do(Request("POST", f"/apps/{app}/model-config", _chat_settings(model)))
            key = self._calls.ask(Request("POST", f"/apps/{app}/api-keys"), Key)
            body = {"inputs": {}, "query": QUESTION, "response_mode": "streaming", "user": _USER}
            answer = _Service(self._calls.wire, key, model).send("POST", "/chat-messages", body)
        finally:
            self._forget(lambda: self._calls.do(Request("DELETE", f"/apps/{app}")), f"the app {app}")
        return _answer(answer, model)

    def retrieval(self, embedding: str, rerank: str | None = None) -> str:
        """Index a text with an embedding model and find it again, ranked by `rerank`; what was found.

        Raises `dify_console_smoke`.
        """
        key = self._calls.ask(Request("POST", "/datasets/api-keys"), Key)
        service = _Service(self._calls.wire, key, embedding if rerank is None else f"{embedding}, {rerank}")
        try:
            return self._retrieved(service, embedding, rerank)
        finally:
            self._forget(lambda: self._calls.do(Request("DELETE", f"/datasets/api-keys/{key.id}")), "a key")

    def _retrieved(self, service: "_Service", embedding: str, rerank: str | None) -> str:
        chosen = {"embedding_model": embedding, "embedding_model_provider": PROVIDER}
        body = _KNOWLEDGE | chosen | {"name": _name(), "retrieval_model": _retrieval(rerank)}
        base = service.ask("POST", "/datasets", Made, body).id
        try:
            self._index(service, base)
            asked = {"query": QUERY, "retrieval_model": _retrieval(rerank)}
            records = service.ask("POST", f"/datasets/{base}/retrieve", Found, asked).records
        finally:
            self._forget(lambda: service.send("DELETE", f"/datasets/{base}"), f"the knowledge base {base}")
        if not records:
            raise service.failure("the text that was indexed was not found again")
        return records[0].segment.content

    def _index(self, service: "_Service", base: str) -> None:
        batch = service.ask("POST", f"/datasets/{base}/document/create-by-text", Indexed, _DOCUMENT).batch
        state = ""
        for left_s in self._calls.wire.until():
            data = service.ask("GET", f"/datasets/{base}/documents/{batch}/indexing-status", IndexingReply).data
            found, reason = (data[0].indexing_status, data[0].error) if data else ("waiting", None)
            if found == "completed":
                return
            if found in _FAILED:
                raise service.failure(f"indexing ended as {found}: {reason}")
            if found != state:
                self._say(f"indexing a text: {found} ({left_s:.0f} s left)")
                state = found
        raise service.failure(
            f"after {self._calls.wire.door.wait_s:.0f} s indexing is still {state}; does the worker run?"
        )

    def _forget(self, remove: Callable[[], object], what: str) -> None:
        """That something could not be removed is told, and hides no failure before it."""
        try:
            remove()
        except FreeholdError as error:
            self._say(f"{what} that was made for a check is still there: {error}")


class _Service:
    """The service API at /v1 of the same address, by a key of an app or of knowledge bases."""

    def __init__(self, wire: Wire, key: Key, model: str) -> None:
        self._wire = wire
        self._token = key.token
        self._model = model

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """A successful answer. Raises `dify_console_smoke`, and as `Wire.send`."""
        request = Request(method, f"/v1{path}", body, silence_s=MODEL_S, secrets=(self._token,))
        answer = self._wire.send(request, {"Authorization": f"Bearer {self._token}"})
        if not answer.ok:
            raise self.failure(f"{answer.step}: status {answer.status}: {answer.words}")
        return answer

    def ask(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        """What a successful answer says."""
        return self.send(method, path, body).read(kind)

    def failure(self, reason: str) -> FreeholdError:
        """The error for a check that failed."""
        return FreeholdError("dify_console_smoke", model=self._model, reason=reason)


def _answer(answer: Answer, model: str) -> str:
    """The text of a streamed answer that came to its end."""
    said, ended = "", False
    for frame in answer.content.split(b"\n\n"):
        if not frame.startswith(b"data:"):
            continue
        try:
            event = msgspec.json.decode(frame.removeprefix(b"data:"), type=Event)
        except UNREADABLE as error:
            raise answer.misshapen(str(error)) from None
        if event.event == "error":
            raise FreeholdError("dify_console_smoke", model=model, reason=event.message or "an error without words")
        said += event.answer or ""
        ended = ended or event.event == "message_end"
    if not ended or not said.strip():
        reason = "the stream ended without an end" if not ended else "the answer is empty"
        raise FreeholdError("dify_console_smoke", model=model, reason=reason)
    return said.strip()


def _name() -> str:
    return f"freehold check {secrets.token_hex(3)}"


def _chat_settings(model: str) -> dict[str, Any]:
    """The settings of a plain chat app; what is left out is Dify's default."""
    return {
        "model": {"provider": PROVIDER, "name": model, "mode": "chat", "completion_params": {"max_tokens": 64}},
        "prompt_type": "simple",
        "pre_prompt": "",
        "chat_prompt_config": {},
        "completion_prompt_config": {},
        "user_input_form": [],
        "dataset_query_variable": "",
        "opening_statement": "",
        "agent_mode": {"enabled": False, "tools": []},
        "dataset_configs": {"retrieval_model": "multiple", "datasets": {"datasets": []}},
    }


def _retrieval(rerank: str | None) -> dict[str, Any]:
    ranked = {
        "reranking_mode": "reranking_model",
        "reranking_model": {"reranking_provider_name": PROVIDER, "reranking_model_name": rerank},
    }
    return {
        "search_method": "semantic_search",
        "reranking_enable": rerank is not None,
        "top_k": 2,
        "score_threshold_enabled": False,
    } | (ranked if rerank is not None else {})
