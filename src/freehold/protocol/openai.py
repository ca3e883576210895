"""OpenAI's shapes: embeddings, the list of models, errors."""

import base64
from typing import Annotated, Any, Literal, cast

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.vectors import Array, check_rows, short_decimals

Token = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
TextsOrIds = str | list[str | Token | list[Token]]
"""One text, several, the token ids of one, or those of several."""


def texts_or_ids(given: TextsOrIds, field: str) -> list[str | list[int]]:
    """One entry a text, or its token ids. Raises `list_empty` and `input_mixed`, which name `field`."""
    if isinstance(given, str):
        return [given]
    if not given:
        raise FreeholdError("list_empty", field=field)
    kinds = set(map(type, given))
    if kinds == {int}:
        return [cast(list[int], given)]
    if kinds not in ({str}, {list}):
        raise FreeholdError("input_mixed", field=field)
    if kinds == {list} and not all(given):
        raise FreeholdError("list_empty", field=f"{field}[]")
    return cast(list[str | list[int]], given)


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """`POST /v1/embeddings`. Fields that it does not know (`user`, ...) are ignored."""

    input: TextsOrIds
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None  # None means float: Dify's plugin relies on it
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def texts(self) -> list[str | list[int]]:
        """One entry a vector: a text or its token ids. Raises `list_empty` and `input_mixed`."""
        return texts_or_ids(self.input, "input")


class Embedding(msgspec.Struct):
    """One vector: floats, or base64 of its little-endian float32 bytes."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct):
    """Tokens after truncation; an embedding has no completion, so both are the same."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(msgspec.Struct):
    """The answer of `POST /v1/embeddings`; `data` is in the order of the input."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ModelDetails(msgspec.Struct):
    """What we say of a model beyond OpenAI's fields; kind and digest are those of one that is computed here.

    Lengths are those of a model that generates, in tokens: prompt and answer together, and the longest answer.
    """

    kind: str | None
    digest: str | None
    proof: str
    context_length: int | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET


class Model(msgspec.Struct):
    """One row of `GET /v1/models`. `created` is in Unix seconds; `abilities`: chat, vision, tools, stt, tts, embed,
    rerank."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    abilities: list[str]
    freehold: ModelDetails


class ModelList(msgspec.Struct):
    """The answer of `GET /v1/models`."""

    object: Literal["list"]
    data: list[Model]


class ErrorDetails(msgspec.Struct):
    """`type` is OpenAI's class of the error, `code` ours."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct):
    """The one shape of every error of an OpenAI path."""

    error: ErrorDetails


_REQUEST = msgspec.json.Decoder(EmbeddingsRequest)


def parse_embeddings(body: bytes) -> EmbeddingsRequest:
    """Read an embeddings request. Raises FreeholdError of kind INVALID."""
    return wire.decode(_REQUEST, body)


def encode_embeddings(model: str, vectors: Array, tokens: int, encoding_format: str | None) -> bytes:
    """Write the vectors, float32 [n, dim], as JSON lists or base64. Raises `answer_not_finite`."""
    check_rows(vectors)
    rows: list[Any]
    if encoding_format == "base64":
        rows = [base64.b64encode(row).decode("ascii") for row in np.ascontiguousarray(vectors, "<f4")]
    else:
        rows = short_decimals(vectors).tolist()
    data = [Embedding("embedding", index, row) for index, row in enumerate(rows)]
    return wire.encode(EmbeddingsAnswer("list", data, model, Usage(tokens, tokens)))


def encode_models(models: list[Model]) -> bytes:
    """Write the answer of `GET /v1/models`."""
    return wire.encode(ModelList("list", models))


def encode_model(model: Model) -> bytes:
    """Write the answer of `GET /v1/models/{model}`."""
    return wire.encode(model)
