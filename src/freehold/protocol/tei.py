"""The shapes of text-embeddings-inference (TEI): info, tokenize, embed, rerank, errors."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.vectors import Array, check_rows, ranked, short_decimals


class EmbedRequest(msgspec.Struct, frozen=True):
    """`POST /embed`. `truncate` None or true cuts over-long texts; an explicit false refuses them."""

    inputs: str | list[str]
    truncate: bool | None = None
    normalize: bool = True
    prompt_name: str | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def texts(self) -> list[str]:
        """The inputs as a list. Raises `list_empty`."""
        return _texts(self.inputs, "inputs")


class RerankRequest(msgspec.Struct, frozen=True):
    """`POST /rerank`. `raw_scores` asks for logits instead of 0..1."""

    query: str
    texts: list[str]
    truncate: bool | None = None
    raw_scores: bool = False
    return_text: bool = False


class TokenizeRequest(msgspec.Struct, frozen=True):
    """`POST /tokenize`."""

    inputs: str | list[str]
    add_special_tokens: bool = True
    prompt_name: str | None = None

    def texts(self) -> list[str]:
        """The inputs as a list. Raises `list_empty`."""
        return _texts(self.inputs, "inputs")


class Token(msgspec.Struct):
    """One token of a text; `start` and `stop` count characters of the text, None for a special token."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Rank(msgspec.Struct, omit_defaults=True):
    """One text's place in the answer of `/rerank`."""

    index: int
    score: float
    text: str | None = None


class Embedder(msgspec.Struct):
    """How token vectors become one."""

    pooling: str


class Labels(msgspec.Struct):
    """The labels of the classification head."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class ModelType(msgspec.Struct, omit_defaults=True):
    """One of the three is set."""

    embedding: Embedder | None = None
    reranker: Labels | None = None
    classifier: Labels | None = None


class Info(msgspec.Struct):
    """`GET /info`. Dify's TEI plugin takes its batch size from `max_client_batch_size`. `prompts` is ours."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: ModelType
    max_input_length: int
    max_client_batch_size: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_concurrent_requests: int
    tokenization_workers: int
    auto_truncate: bool
    version: str
    prompts: dict[str, str]


class ErrorBody(msgspec.Struct):
    """The one shape of every error of a TEI path; `error_type` is one of TEI's names."""

    error: str
    error_type: Literal["unhealthy", "backend", "overloaded", "validation", "tokenizer", "empty"]


class _Fields(msgspec.Struct):
    texts: msgspec.Raw | UnsetType = UNSET
    documents: msgspec.Raw | UnsetType = UNSET


_FIELDS = msgspec.json.Decoder(_Fields)
_EMBED = msgspec.json.Decoder(EmbedRequest)
_RERANK = msgspec.json.Decoder(RerankRequest)
_TOKENIZE = msgspec.json.Decoder(TokenizeRequest)


def parse_embed(body: bytes) -> EmbedRequest:
    """Read an embed request. Raises FreeholdError of kind INVALID."""
    return wire.decode(_EMBED, body)


def parse_rerank(body: bytes) -> RerankRequest:
    """Read a rerank request. Raises FreeholdError of kind INVALID, `list_empty` among them."""
    request = wire.decode(_RERANK, body)
    _texts(request.texts, "texts")
    return request


def is_rerank(body: bytes) -> bool:
    """True when a body at `/rerank`, where two protocols meet, is TEI's: it has `texts` and no `documents`."""
    fields = wire.decode(_FIELDS, body)
    return fields.documents is UNSET and fields.texts is not UNSET


def parse_tokenize(body: bytes) -> TokenizeRequest:
    """Read a tokenize request. Raises FreeholdError of kind INVALID."""
    return wire.decode(_TOKENIZE, body)


def encode_embed(vectors: Array) -> bytes:
    """Write float32 [n, dim] as a list of lists. Raises `answer_not_finite`."""
    check_rows(vectors)
    rows: list[Any] = short_decimals(vectors).tolist()
    return wire.encode(rows)


def encode_rerank(request: RerankRequest, scores: Array) -> bytes:
    """Write the texts by falling score, [n]. Raises `answer_not_finite`."""
    values: list[float] = scores.tolist()
    return wire.encode(
        [Rank(index, values[index], request.texts[index] if request.return_text else None) for index in ranked(scores)]
    )


def encode_tokens(texts: list[list[Token]]) -> bytes:
    """Write one list of tokens a text."""
    return wire.encode(texts)


def encode_info(info: Info) -> bytes:
    """Write the answer of `/info`."""
    return wire.encode(info)


def _texts(inputs: str | list[str], field: str) -> list[str]:
    if isinstance(inputs, str):
        return [inputs]
    if not inputs:
        raise FreeholdError("list_empty", field=field)
    return inputs


def prompted(texts: list[str], prompt_name: str | None, prompts: dict[str, str]) -> list[str]:
    """The texts with the named prompt before each; as they are when none is named. Raises `prompt_unknown`."""
    if prompt_name is None:
        return texts
    prompt = prompts.get(prompt_name)
    if prompt is None:
        raise FreeholdError("prompt_unknown", name=wire.brief(prompt_name), prompts=sorted(prompts))
    return [prompt + text for text in texts]
