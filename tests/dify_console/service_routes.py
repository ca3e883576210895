"""The service API at /v1: an app's answer, and knowledge bases as their documentation has them."""

import json
from collections.abc import Iterator
from typing import Any

from tests.dify_console.app_routes import detail
from tests.dify_console.calling import FailedError, chatted, embedded, ranked
from tests.dify_console.state import PROVIDER, Knowledge, Model, new_id
from tests.dify_console.web import Call, RefusedError, Reply


def chat(call: Call) -> Reply:
    """Streamed: the model is really asked, and what it says comes as events."""
    app = next((one for one in call.dify.apps if call.bearer() in one.keys), None)
    if app is None or not call.dify.service_api:
        raise RefusedError(401 if call.dify.service_api else 404, "unauthorized", "Access token is invalid")
    body = call.body("inputs query response_mode user", "conversation_id files")
    if body["response_mode"] != "streaming":
        raise call.misused("this console only streams")
    chosen = app.settings["model"]
    try:
        said = chatted(
            call.dify, chosen["name"], _model(call, "llm", chosen).values, body["query"], chosen["completion_params"]
        )
        events: list[dict[str, Any]] = [{"event": "message", "answer": word} for word in _pieces(said)]
        events.append({"event": "message_end", "metadata": {}})
    except FailedError as error:
        events = [{"event": "error", "status": 400, "code": "completion_request_error", "message": str(error)}]
    frames = [f"data: {json.dumps(event)}\n\n" for event in events]
    return Reply("".join(["event: ping\n\n", *frames]).encode(), type="text/event-stream")


def make(call: Call) -> Reply:
    body = call.body(
        "name embedding_model embedding_model_provider indexing_technique", "description permission retrieval_model"
    )
    if len(body["name"]) > 40:
        raise call.misused("a knowledge base's name has at most 40 characters")
    _model(call, "text-embedding", {"name": body["embedding_model"], "provider": body["embedding_model_provider"]})
    made = Knowledge(body["name"], body["embedding_model"], private=body.get("permission") == "only_me")
    made.retrieval = body.get("retrieval_model") or {}
    call.dify.knowledge.append(made)
    return Reply(detail(made))


def add_text(call: Call) -> Reply:
    base = _base(call)
    body = call.body("name text", "indexing_technique doc_form doc_language process_rule")
    base.batch, base.polls = new_id(), 0
    if call.dify.indexing_error is None:
        values = _model(call, "text-embedding", {"name": base.embedding, "provider": base.provider}).values
        for piece in filter(None, body["text"].split(". ")):
            base.texts.append((piece, embedded(call.dify, str(base.embedding), values, piece)))
    return Reply({"document": {"id": new_id(), "indexing_status": "waiting"}, "batch": base.batch})


def indexing(call: Call) -> Reply:
    base = _base(call)
    if call.words["batch"] != base.batch:
        raise RefusedError(404, "not_found", "Documents not found.")
    base.polls += 1
    if 0 <= call.dify.indexing_polls < base.polls:
        error = call.dify.indexing_error
        return Reply({"data": [{"id": new_id(), "indexing_status": "error" if error else "completed", "error": error}]})
    return Reply({"data": [{"id": new_id(), "indexing_status": "indexing", "error": None}]})


def retrieve(call: Call) -> Reply:
    base = _base(call)
    body = call.body("query", "retrieval_model")
    chosen = body.get("retrieval_model") or base.retrieval
    values = _model(call, "text-embedding", {"name": base.embedding, "provider": base.provider}).values
    asked = embedded(call.dify, str(base.embedding), values, body["query"])
    near = sorted(base.texts, key=lambda one: -sum(a * b for a, b in zip(one[1], asked, strict=True)))
    texts = [text for text, _ in near[: chosen["top_k"]]]
    if chosen["reranking_enable"] and texts:
        named = chosen["reranking_model"]
        name = named["reranking_model_name"]
        values = _model(call, "rerank", {"name": name, "provider": named["reranking_provider_name"]}).values
        order = ranked(call.dify, name, values, body["query"], texts, chosen["top_k"])
        texts = [texts[place] for place, _ in sorted(order, key=lambda one: -one[1])]
    records = [{"segment": {"id": new_id(), "content": text}, "score": 0.5} for text in texts]
    return Reply({"query": {"content": body["query"]}, "records": records})


def delete(call: Call) -> Reply:
    call.dify.knowledge.remove(_base(call))
    return Reply("", 204)


def knows(call: Call) -> None:
    """A guard: a key of knowledge bases."""
    if not call.dify.service_api:
        raise RefusedError(404, "not_found", "nothing here")
    if call.bearer() not in call.dify.knowledge_keys.values():
        raise RefusedError(401, "unauthorized", "Access token is invalid")


def _base(call: Call) -> Knowledge:
    found = next((one for one in call.dify.knowledge if one.id == call.words["base"]), None)
    if found is None:
        raise RefusedError(404, "not_found", "Dataset not found.")
    return found


def _model(call: Call, kind: str, chosen: dict[str, Any]) -> Model:
    model = call.dify.model(chosen["name"], kind)
    if model is None or chosen["provider"] != PROVIDER:
        raise RefusedError(400, "provider_not_initialize", f"No {kind} model {chosen['name']} of {chosen['provider']}.")
    return model


def _pieces(text: str) -> Iterator[str]:
    yield from (text[at : at + 8] for at in range(0, len(text), 8))
