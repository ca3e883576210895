"""Jina's and Cohere's rerank: one request shape, one answer that both clients read."""

from typing import Annotated

import msgspec

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.vectors import Array, ranked


class Document(msgspec.Struct, frozen=True):
    """A text as an object, as Cohere's v1 clients and Jina's answers have it."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True):
    """`POST /v1/rerank` and `/v2/rerank`. Fields that it does not know are ignored."""

    query: str
    documents: list[str | Document]
    model: str | None = None
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool | None = None  # None means no

    def texts(self) -> list[str]:
        """The documents as texts. Raises `list_empty`."""
        if not self.documents:
            raise FreeholdError("list_empty", field="documents")
        return [document if isinstance(document, str) else document.text for document in self.documents]


class Result(msgspec.Struct, omit_defaults=True):
    """One document's place: `index` counts from 0 in the request, `relevance_score` lies in 0..1."""

    index: int
    relevance_score: float
    document: Document | None = None


class Usage(msgspec.Struct):
    """Tokens of all pairs of query and document, after truncation."""

    prompt_tokens: int
    total_tokens: int


class BilledUnits(msgspec.Struct):
    """Cohere's unit of account: one search a request."""

    search_units: int


class Meta(msgspec.Struct):
    """What Cohere's clients read beside the results."""

    billed_units: BilledUnits


class RerankAnswer(msgspec.Struct):
    """Results by falling score; `usage` is Jina's, `id` and `meta` are Cohere's."""

    id: str
    model: str
    results: list[Result]
    usage: Usage
    meta: Meta


_REQUEST = msgspec.json.Decoder(RerankRequest)


def parse_rerank(body: bytes) -> RerankRequest:
    """Read a rerank request. Raises FreeholdError of kind INVALID."""
    return wire.decode(_REQUEST, body)


def encode_rerank(
    request: RerankRequest, texts: list[str], model: str, identity: str, scores: Array, tokens: int
) -> bytes:
    """Write the best `top_n` (all without it) of `scores`, [n] in 0..1. Raises `answer_not_finite`."""
    values: list[float] = scores.tolist()
    results = [
        Result(index, values[index], Document(texts[index]) if request.return_documents else None)
        for index in ranked(scores)[: request.top_n]
    ]
    return wire.encode(RerankAnswer(identity, model, results, Usage(tokens, tokens), Meta(BilledUnits(1))))
