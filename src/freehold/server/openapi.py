"""`/openapi.json`: the routes that are really there, with the schemas of the structs that read and write bodies."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from freehold import __version__
from freehold.http import Call, Response, Route
from freehold.protocol import (
    chat,
    completions,
    generate,
    oip,
    oip_config,
    oip_metadata,
    oip_regions,
    oip_repository,
    oip_statistics,
    openai,
    rerank,
    tei,
)
from freehold.server.health import Live, LiveReady, Readiness

Json = dict[str, Any]
JSON, BINARY, EVENTS = "application/json", "application/octet-stream", "text/event-stream"
ERRORS: dict[str, Any] = {
    "openai": openai.ErrorBody,
    "oip": oip_metadata.ErrorBody,
    "tei": tei.ErrorBody,
    "plain": openai.ErrorBody,
}
_CAPTURE = re.compile(r"\{([a-z_]+)\}")
_REFERENCE = "#/components/schemas/{name}"


class Operation(NamedTuple):
    """What a path does; the types of which it reads and answers one; whether tensors may follow the JSON of either; the
    type of its frames where it can stream; whether a request may have no body at all."""

    summary: str
    requests: tuple[Any, ...] = ()
    answers: tuple[Any, ...] = ()
    binary: bool = False
    frame: Any = None
    bodiless: bool = False


_EMBEDDINGS = Operation("Vectors of texts (OpenAI)", (openai.EmbeddingsRequest,), (openai.EmbeddingsAnswer,))
_CHAT = Operation(
    "The next message of a chat (OpenAI)", (chat.ChatRequest,), (chat.ChatCompletion,), False, chat.ChatChunk
)
_COMPLETIONS = Operation(
    "Continue a text (OpenAI)",
    (completions.CompletionRequest,),
    (completions.Completion,),
    False,
    completions.Completion,
)
_GENERATE = Operation("Continue a text (Triton)", (generate.GenerateRequest,), (generate.GenerateAnswer,))
_GENERATE_STREAM = Operation(
    "Continue a text, piece by piece (Triton)", (generate.GenerateRequest,), (), False, generate.GenerateAnswer
)
_RERANK = Operation("Texts by relevance to a query (Jina, Cohere)", (rerank.RerankRequest,), (rerank.RerankAnswer,))
_MODELS = Operation("The models that answer", (), (openai.ModelList,))
_MODEL = Operation("One model", (), (openai.Model,))
_METADATA = Operation("Inputs and outputs of a model", (), (oip_metadata.ModelMetadata,))
_READY = Operation("Can this model answer?", (), (oip_metadata.ModelReady,))
_CONFIG = Operation("A model in the terms of Triton's configuration", (), (oip_config.ModelConfig,))
_STATS = Operation("Requests, rows and runs since the load", (), (oip_statistics.StatisticsAnswer,))
_INDEX = Operation(
    "Every model and version, and why it is not ready",
    (oip_repository.IndexBody,),
    (list[oip_repository.IndexEntry],),
    bodiless=True,
)
_REGIONS = Operation("Regions of shared memory that are registered", (), (list[oip_regions.RegionStatus],))
_UNREGISTER = Operation("Forget one region of shared memory, or all")
_LOAD = Operation("Load a model, or again", (oip_repository.LoadBody,), bodiless=True)
_UNLOAD = Operation("Unload a model", (oip_repository.LoadBody,), bodiless=True)
_INFER = Operation("Run a model", (oip.InferBody[Any],), (oip.AnswerBody,), binary=True)
_INFO = Operation("Kind and limits of a text model (TEI)", (), (tei.Info,))
_TOKENIZE = Operation("Tokens of texts (TEI)", (tei.TokenizeRequest,), (list[list[tei.Token]],))
_EMBED = Operation("Vectors of texts (TEI)", (tei.EmbedRequest,), (list[list[float]],))
_TEI_RERANK = Operation("Texts by relevance to a query (TEI)", (tei.RerankRequest,), (list[tei.Rank],))

OPERATIONS: dict[str, Operation] = {
    "POST /v1/embeddings": _EMBEDDINGS,
    "POST /embeddings": _EMBEDDINGS,
    "POST /tei/{model}/v1/embeddings": _EMBEDDINGS,
    "POST /tei/{model}/embeddings": _EMBEDDINGS,
    "POST /v1/chat/completions": _CHAT,
    "POST /chat/completions": _CHAT,
    "POST /v1/completions": _COMPLETIONS,
    "POST /completions": _COMPLETIONS,
    "POST /v1/rerank": _RERANK,
    "POST /v2/rerank": _RERANK,
    "POST /rerank": Operation(
        "Texts by relevance to a query (Jina's shape or TEI's)",
        (rerank.RerankRequest, tei.RerankRequest),
        (rerank.RerankAnswer, list[tei.Rank]),
    ),
    "GET /v1/models": _MODELS,
    "GET /models": _MODELS,
    "GET /v1/models/{model}": _MODEL,
    "GET /models/{model}": _MODEL,
    "GET /info": _INFO,
    "GET /tei/{model}/info": _INFO,
    "POST /tokenize": _TOKENIZE,
    "POST /tei/{model}/tokenize": _TOKENIZE,
    "POST /embed": _EMBED,
    "POST /tei/{model}/embed": _EMBED,
    "POST /tei/{model}/rerank": _TEI_RERANK,
    "GET /v2": Operation("Name, version and extensions of the server", (), (oip_metadata.ServerMetadata,)),
    "GET /v2/models/{model}": _METADATA,
    "GET /v2/models/{model}/versions/{version}": _METADATA,
    "GET /v2/models/{model}/ready": _READY,
    "GET /v2/models/{model}/versions/{version}/ready": _READY,
    "GET /v2/models/{model}/config": _CONFIG,
    "GET /v2/models/{model}/versions/{version}/config": _CONFIG,
    "GET /v2/models/stats": _STATS,
    "GET /v2/models/{model}/stats": _STATS,
    "GET /v2/models/{model}/versions/{version}/stats": _STATS,
    "POST /v2/repository/index": _INDEX,
    "POST /v2/repository/{repository}/index": _INDEX,
    "POST /v2/repository/models/{model}/load": _LOAD,
    "POST /v2/repository/{repository}/models/{model}/load": _LOAD,
    "POST /v2/repository/models/{model}/unload": _UNLOAD,
    "POST /v2/repository/{repository}/models/{model}/unload": _UNLOAD,
    "POST /v2/models/{model}/infer": _INFER,
    "POST /v2/models/{model}/versions/{version}/infer": _INFER,
    "GET /v2/systemsharedmemory/status": _REGIONS,
    "GET /v2/systemsharedmemory/region/{region}/status": _REGIONS,
    "POST /v2/systemsharedmemory/region/{region}/register": Operation(
        "Make a region of shared memory known", (oip_regions.RegionBody,)
    ),
    "POST /v2/systemsharedmemory/region/{region}/unregister": _UNREGISTER,
    "POST /v2/systemsharedmemory/unregister": _UNREGISTER,
    "POST /v2/models/{model}/generate": _GENERATE,
    "POST /v2/models/{model}/versions/{version}/generate": _GENERATE,
    "POST /v2/models/{model}/generate_stream": _GENERATE_STREAM,
    "POST /v2/models/{model}/versions/{version}/generate_stream": _GENERATE_STREAM,
    "GET /v2/health/live": Operation("Is the process alive?", (), (Live,)),
    "GET /v2/health/ready": Operation("Can every model answer?", (), (LiveReady,)),
    "GET /livez": Operation("Is the process alive?", (), (Live,)),
    "GET /readyz": Operation("State and proof of every model", (), (Readiness,)),
    "GET /health": Operation("State and proof of every model (TEI's path)", (), (Readiness,)),
}
"""What is known of each route; one that is missing here is listed as plain text."""


def routes(others: Sequence[Route]) -> list[Route]:
    """The route of the document that describes `others`."""
    body = msgspec.json.encode(document(others))

    async def openapi(call: Call) -> Response:
        return Response(body)

    return [Route("GET", "/openapi.json", openapi, "plain", public=True)]


def document(described: Iterable[Route]) -> Json:
    """An OpenAPI 3.1 document of these routes."""
    operations = [(route, OPERATIONS.get(f"{route.method} {route.path}")) for route in described]
    types = [kind for _, operation in operations if operation for kind in (*operation.requests, *operation.answers)]
    types += [operation.frame for _, operation in operations if operation and operation.frame is not None]
    types += ERRORS.values()
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(map(str, types), schemas, strict=True))
    paths: dict[str, Json] = {}
    for route, operation in operations:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Freehold", "version": __version__, "description": "What one node of Freehold answers."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, operation: Operation | None, schema_of: dict[str, Json]) -> Json:
    known = operation or Operation(route.path)
    described: Json = {
        "summary": known.summary,
        "operationId": f"{route.method} {route.path}".lower(),
        "tags": [route.dialect],
        "security": [] if route.public else [{}, {"key": []}],  # a key is asked for only where `access` says so
        "responses": {
            "200": {"description": "The answer", "content": _answers(known, schema_of)},
            "default": {"description": "An error", "content": _content((ERRORS[route.dialect],), False, schema_of)},
        },
    }
    captures = _CAPTURE.findall(route.path)
    if captures:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in captures
        ]
    if {Readiness, LiveReady}.intersection(known.answers):
        described["responses"]["503"] = described["responses"]["200"]
    if known.requests:
        content = _content(known.requests, known.binary, schema_of)
        described["requestBody"] = {"required": not known.bodiless, "content": content}
    if known.binary:
        described.setdefault("parameters", []).append(
            {
                "name": "Inference-Header-Content-Length",
                "in": "header",
                "description": "Bytes of JSON before binary tensor data; 0 when the body is one raw tensor.",
                "schema": {"type": "integer", "minimum": 0},
            }
        )
    return described


def _answers(known: Operation, schema_of: dict[str, Json]) -> Json:
    frames = {EVENTS: {"schema": schema_of[str(known.frame)]}} if known.frame is not None else {}
    return frames if frames and not known.answers else _content(known.answers, known.binary, schema_of) | frames


def _content(kinds: tuple[Any, ...], binary: bool, schema_of: dict[str, Json]) -> Json:
    if not kinds:
        return {"text/plain": {"schema": {"type": "string"}}}
    schemas = [schema_of[str(kind)] for kind in kinds]
    content: Json = {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    if binary:
        content[BINARY] = {"schema": {"type": "string", "format": "binary"}}
    return content
