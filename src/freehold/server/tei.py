"""The calls of text-embeddings-inference (TEI): the one self-hosted plugin through which Dify indexes in batches.

TEI serves one model a process, so its calls name none. Here `/info` and the others mean the only fitting model, and
`/tei/{model}` is the base URL to give a TEI client where there are several.
"""

import asyncio

from freehold import __version__
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.settings import DEFAULT_BUDGET_TOKENS
from freehold.engine.tokenizer import Token
from freehold.errors import FreeholdError
from freehold.http import Call, Response, Right, Route
from freehold.http.call import Endpoint
from freehold.protocol import tei
from freehold.protocol.vectors import logits, normalized, shortened, sigmoid
from freehold.server.dataplane import DataPlane
from freehold.server.models import Served
from freehold.server.text import chosen, refuse_truncation, rows, tokenizer_of, truncation

BATCH_SIZE = 32
"""Texts that `/info` tells clients to send at a time: enough to fill every batch, few enough to answer soon."""
CONCURRENT_REQUESTS = 512
TOKENIZATION_WORKERS = 1
POOLINGS = {"last": "last_token"}
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp64": "float64"}


def routes(plane: DataPlane) -> list[Route]:
    """Info, tokenize, embed and rerank, for the only model and for a named one."""

    async def info(call: Call) -> Response:
        served = chosen(plane.seen_by(call), call.params.get("model"), "embed", "rerank", "classify")
        return Response(tei.encode_info(describe(served)))

    async def tokenize(call: Call) -> Response:
        request = tei.parse_tokenize(await call.body())
        served = chosen(plane.seen_by(call), call.params.get("model"), "embed", "rerank", "classify")
        texts = tei.prompted(request.texts(), request.prompt_name, served.engine.manifest.prompts)
        tokens = await asyncio.to_thread(_tokens, served, texts, request.add_special_tokens)
        return Response(tei.encode_tokens(tokens))

    async def embed(call: Call) -> Response:
        request = tei.parse_embed(await call.body())
        served = chosen(plane.seen_by(call), call.params.get("model"), "embed")
        manifest = served.engine.manifest
        if manifest.normalized and not request.normalize:
            raise FreeholdError("parameter_unsupported", parameter="normalize: false")
        texts = tei.prompted(request.texts(), request.prompt_name, manifest.prompts)
        answer = await plane.infer(call, served, EmbedRequest(texts))
        refuse_truncation(served, answer, request.truncate)
        vectors = rows(answer)
        if request.dimensions is not None:
            vectors = shortened(vectors, request.dimensions)
        elif request.normalize and not manifest.normalized:
            vectors = normalized(vectors)
        return Response(tei.encode_embed(vectors), headers=truncation(answer))

    async def rerank(call: Call) -> Response:
        return await answer_rerank(plane, call)

    own: tuple[tuple[str, str, Endpoint, Right], ...] = (
        ("GET", "/info", info, "metadata"),
        ("POST", "/tokenize", tokenize, "infer"),
        ("POST", "/embed", embed, "infer"),
    )
    return [
        *(Route(method, path, endpoint, "tei", right) for method, path, endpoint, right in own),
        *(Route(method, f"/tei/{{model}}{path}", endpoint, "tei", right) for method, path, endpoint, right in own),
        Route("POST", "/tei/{model}/rerank", rerank, "tei", "infer"),
    ]


async def answer_rerank(plane: DataPlane, call: Call) -> Response:
    """TEI's rerank; at `/rerank` Jina's lies in the same place, so that path belongs to `openai`."""
    request = tei.parse_rerank(await call.body())
    served = chosen(plane.seen_by(call), call.params.get("model"), "rerank")
    answer = await plane.infer(call, served, RerankRequest(request.query, request.texts))
    refuse_truncation(served, answer, request.truncate)
    values = logits(rows(answer))
    scores = values if request.raw_scores else sigmoid(values)
    return Response(tei.encode_rerank(request, scores), headers=truncation(answer))


def describe(served: Served) -> tei.Info:
    """What `/info` says of a text model."""
    engine, manifest = served.engine, served.engine.manifest
    limit = engine.max_tokens
    if manifest.kind == "embed":
        model_type = tei.ModelType(embedding=tei.Embedder(POOLINGS.get(manifest.pooling, manifest.pooling)))
    else:
        labels = manifest.labels or ("LABEL_0",)
        numbered = {str(index): label for index, label in enumerate(labels)}
        head = tei.Labels(numbered, {label: index for index, label in enumerate(labels)})
        model_type = tei.ModelType(reranker=head) if manifest.kind == "rerank" else tei.ModelType(classifier=head)
    return tei.Info(
        model_id=served.id,
        model_sha=engine.digest,
        model_dtype=DTYPES.get(engine.precision, engine.precision),
        model_type=model_type,
        max_input_length=limit,
        max_client_batch_size=BATCH_SIZE,
        max_batch_tokens=max(limit, DEFAULT_BUDGET_TOKENS),
        max_batch_requests=None,
        max_concurrent_requests=CONCURRENT_REQUESTS,
        tokenization_workers=TOKENIZATION_WORKERS,
        auto_truncate=True,
        version=__version__,
        prompts=manifest.prompts,
    )


def _tokens(served: Served, texts: list[str], add_special_tokens: bool) -> list[list[tei.Token]]:
    tokenizer = tokenizer_of(served)
    return [[_token(token) for token in tokenizer.tokens(text, add_special_tokens)] for text in texts]


def _token(token: Token) -> tei.Token:
    start, stop = (None, None) if token.special else (token.start, token.stop)
    return tei.Token(token.id, token.text, token.special, start, stop)
