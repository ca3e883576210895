"""OpenAI's calls, and the rerank calls that lie beside them. Each path also answers without its version.

Dify's plugin appends `embeddings` or `rerank` to whatever base URL a user typed, with or without /v1.
"""

from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.http import Call, Response, Route
from freehold.protocol import openai, tei
from freehold.protocol.rerank import encode_rerank, parse_rerank
from freehold.protocol.vectors import logits, shortened, sigmoid
from freehold.server.dataplane import DataPlane
from freehold.server.models import Served, State
from freehold.server.tei import answer_rerank
from freehold.server.text import chosen, rows, truncation


def routes(plane: DataPlane) -> list[Route]:
    """Embeddings, rerank, models."""

    async def embeddings(call: Call) -> Response:
        request = openai.parse_embeddings(await call.body())
        served = chosen(plane.models, call.params.get("model") or request.model, "embed")
        answer = await plane.infer(call, served, EmbedRequest(request.texts()))
        vectors = rows(served, answer)
        if request.dimensions is not None:
            vectors = shortened(vectors, request.dimensions)
        body = openai.encode_embeddings(served.id, vectors, answer.tokens, request.encoding_format)
        return Response(body, headers=truncation(answer))

    async def rerank(call: Call) -> Response:
        request = parse_rerank(await call.body())
        served = chosen(plane.models, request.model, "rerank")
        texts = request.texts()
        answer = await plane.infer(call, served, RerankRequest(request.query, texts))
        scores = sigmoid(logits(rows(served, answer)))
        body = encode_rerank(request, texts, served.id, call.request_id, scores, answer.tokens)
        return Response(body, headers=truncation(answer))

    async def rerank_of_either(call: Call) -> Response:
        """`/rerank` is Jina's path without its version, and TEI's own: the body tells whose call it is."""
        if tei.is_rerank(await call.body()):
            return await answer_rerank(plane, call)
        return await rerank(call)

    async def models(call: Call) -> Response:
        ready = [_listed(served) for served in plane.models.all() if served.state is State.READY]
        return Response(openai.encode_models(ready))

    async def model(call: Call) -> Response:
        return Response(openai.encode_model(_listed(plane.models.get(call.params["model"]))))

    return [
        *(Route("POST", path, embeddings, "openai") for path in ("/v1/embeddings", "/embeddings")),
        *(Route("POST", f"/tei/{{model}}{path}", embeddings, "openai") for path in ("/v1/embeddings", "/embeddings")),
        *(Route("POST", path, rerank, "openai") for path in ("/v1/rerank", "/v2/rerank")),
        Route("POST", "/rerank", rerank_of_either, "openai"),
        *(Route("GET", path, models, "openai") for path in ("/v1/models", "/models")),
        *(Route("GET", path, model, "openai") for path in ("/v1/models/{model}", "/models/{model}")),
    ]


def _listed(served: Served) -> openai.Model:
    engine = served.engine
    details = openai.ModelDetails(engine.manifest.kind, engine.digest, engine.proof.status)
    return openai.Model(served.id, "model", served.created, "freehold", details)
