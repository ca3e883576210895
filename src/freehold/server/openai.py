"""OpenAI's calls, and the rerank calls that lie beside them. Each path also answers without its version.

Dify's plugin appends `embeddings` or `rerank` to whatever base URL a user typed, with or without /v1.
"""

from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route
from freehold.protocol import openai, tei
from freehold.protocol.rerank import encode_rerank, parse_rerank
from freehold.protocol.vectors import logits, shortened, sigmoid
from freehold.server.chat_format import ChatFormats
from freehold.server.dataplane import DataPlane
from freehold.server.generation import text_engine
from freehold.server.models import Remote, Served, State
from freehold.server.tei import answer_rerank
from freehold.server.text import chosen, rows, truncation


def routes(plane: DataPlane, formats: ChatFormats) -> list[Route]:
    """Embeddings, rerank, models."""

    async def embeddings(call: Call) -> Response:
        request = openai.parse_embeddings(await call.body())
        served = chosen(plane.seen_by(call), call.params.get("model") or request.model, "embed")
        answer = await plane.infer(call, served, EmbedRequest(request.texts()))
        vectors = rows(answer)
        if request.dimensions is not None:
            vectors = shortened(vectors, request.dimensions)
        body = openai.encode_embeddings(served.id, vectors, answer.tokens, request.encoding_format)
        return Response(body, headers=truncation(answer))

    async def rerank(call: Call) -> Response:
        request = parse_rerank(await call.body())
        served = chosen(plane.seen_by(call), request.model, "rerank")
        texts = request.texts()
        answer = await plane.infer(call, served, RerankRequest(request.query, texts))
        scores = sigmoid(logits(rows(answer)))
        body = encode_rerank(request, texts, served.id, call.request_id, scores, answer.tokens)
        return Response(body, headers=truncation(answer))

    async def rerank_of_either(call: Call) -> Response:
        """`/rerank` is Jina's path without its version, and TEI's own: the body tells whose call it is."""
        if tei.is_rerank(await call.body()):
            return await answer_rerank(plane, call)
        return await rerank(call)

    async def models(call: Call) -> Response:
        ready = [_listed(served, formats) for served in plane.seen_by(call).defaults() if served.answers]
        remote = [_shown(remote) for remote in plane.seen_by(call).remotes() if remote.state == State.READY]
        return Response(openai.encode_models([*ready, *remote]))

    async def model(call: Call) -> Response:
        seen = plane.seen_by(call)
        remote = seen.remote(call.params["model"])
        if remote is None:
            return Response(openai.encode_model(_listed(seen.get(call.params["model"]), formats)))
        if remote.state != State.READY:
            raise FreeholdError("model_loading", model=remote.id) if remote.error is None else remote.error.again()
        return Response(openai.encode_model(_shown(remote)))

    return [
        *(
            Route("POST", f"{base}{path}", embeddings, "openai", "infer")
            for base in ("", "/tei/{model}")
            for path in ("/v1/embeddings", "/embeddings")
        ),
        *(Route("POST", path, rerank, "openai", "infer") for path in ("/v1/rerank", "/v2/rerank")),
        Route("POST", "/rerank", rerank_of_either, "openai", "infer"),
        *(Route("GET", path, models, "openai", "metadata") for path in ("/v1/models", "/models")),
        *(Route("GET", path, model, "openai", "metadata") for path in ("/v1/models/{model}", "/models/{model}")),
    ]


def _listed(served: Served, formats: ChatFormats) -> openai.Model:
    facts = served.facts
    if facts is None:
        return openai.Model(served.id, "model", served.created, "freehold", [], openai.ModelDetails(None, None, "none"))
    details = openai.ModelDetails(facts.manifest.kind, facts.digest, facts.proof)
    if facts.manifest.kind == "generate" and served.loaded:
        text = text_engine(served)
        details.context_length, details.max_output_tokens = text.context_length, text.max_output_tokens
    return openai.Model(served.id, "model", served.created, "freehold", abilities(served, formats), details)


def _shown(remote: Remote) -> openai.Model:
    details = openai.ModelDetails(None, None, "none")
    return openai.Model(remote.id, "model", remote.created, "freehold", list(remote.abilities), details)


def abilities(served: Served, formats: ChatFormats) -> list[str]:
    """What clients can ask of a model: chat needs a template, tools one that shows them in a form that is known."""
    kind = served.manifest.kind
    if kind != "generate":
        return [kind] if kind in ("embed", "rerank") else []
    if not served.loaded:
        return ["chat"]
    try:
        return ["chat", "tools"] if formats.of(served).calls_tools else ["chat"]
    except FreeholdError:  # no template, or one that cannot be read: a chat says which
        return []
