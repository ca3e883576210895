"""Do two versions of a model answer alike? Asked of both through the gateway, under their two names there.

The requests are those of a recording, or fixed ones for each thing that a model may do: texts to embed, documents to
rank, words to go on with, tensors of plain numbers. What the version in force does not do is left out.
"""

import asyncio
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from freehold.deploy.releases.staging import Move
from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.rollouts.replay import Ask, Recorded, replay
from freehold.gateway.rollouts.spaces import TEXTS, apart, embedded
from freehold.protocol.oip_metadata import ModelMetadata, TensorMetadata

Send = Callable[[str, str, bytes], tuple[int, bytes]]
"""One request to the gateway, by method, path and body: status and body of the answer."""

_OF_A_MODEL = re.compile(r"^/v2/models/[^/]+")
_NOT_NOW = (429, 503)
_LARGEST = 1 << 20  # values in a tensor
_FREE = 1  # what a free dimension is
_NUMERIC = re.compile(r"^(?:BOOL|U?INT(?:8|16|32|64)|FP(?:32|64))$")
_TEXTS: tuple[Recorded, ...] = (
    Recorded("/v1/embeddings", {"input": list(TEXTS), "encoding_format": "float"}),
    Recorded("/v1/rerank", {"query": TEXTS[1], "documents": list(TEXTS)}),
    Recorded(
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "Count from one to ten."}], "temperature": 0, "max_tokens": 24},
    ),
)


def differing(move: Move, recorded: Sequence[Recorded], send: Send) -> FreeholdError | None:
    """How the version that comes answers otherwise than the one in force, beyond what may differ; None: it does not.

    `recorded` empty: the fixed requests. Embedding models must share a space whatever the requests are. Raises
    `goldens_unanswered` and `space_unknown` where a side does not work.
    """
    return asyncio.run(_differing(move, recorded, _asking(send), send))


def compared(model: str, recorded: Sequence[Recorded], send: Send) -> tuple[Recorded, ...]:
    """The requests that both versions are asked: `recorded`, or the fixed ones that `model` answers."""
    if recorded:
        return tuple(recorded)
    return tuple(request for request in (*_TEXTS, *_tensors(model, send)) if _answers(model, request, send))


async def _differing(move: Move, recorded: Sequence[Recorded], ask: Ask, send: Send) -> FreeholdError | None:
    mine, theirs = await embedded(ask, move.model), await embedded(ask, move.coming)
    if mine is not None and theirs is not None and (found := apart(move.model, mine, move.coming, theirs)) is not None:
        return found
    return await replay(compared(move.model, recorded, send), move.model, move.coming, ask)


def _asking(send: Send) -> Ask:
    async def ask(model: str, request: Recorded) -> Answer:
        status, body = await asyncio.to_thread(_sent, model, request, send)
        return Answer(status, "application/json", body)

    return ask


def _sent(model: str, request: Recorded, send: Send) -> tuple[int, bytes]:
    path = _OF_A_MODEL.sub(f"/v2/models/{model}", request.path)
    body = request.body if _OF_A_MODEL.match(path) else {**request.body, "model": model}
    return send("POST", path, msgspec.json.encode(body))


def _answers(model: str, request: Recorded, send: Send) -> bool:
    """Whether the model does that at all; who has no time for it says nothing of it."""
    status = _sent(model, request, send)[0]
    if status in _NOT_NOW:
        raise FreeholdError("goldens_unanswered", number=1, model=model, reason=f"{request.path}: status {status}")
    return status < 400


def _tensors(model: str, send: Send) -> Iterator[Recorded]:
    """Numbers for every input of a model that takes tensors of them, all alike each time."""
    status, body = send("GET", f"/v2/models/{model}", b"")
    try:
        metadata = msgspec.json.decode(body, type=ModelMetadata) if status == 200 else None
    except msgspec.DecodeError:
        return
    if metadata is None or not metadata.inputs:
        return
    inputs: list[Mapping[str, Any]] = []
    for one in metadata.inputs:
        shape = [_FREE if dimension < 0 else dimension for dimension in one.shape]
        count = math.prod(shape)
        if not 0 < count <= _LARGEST or not _NUMERIC.match(one.datatype):
            return
        inputs.append({"name": one.name, "datatype": one.datatype, "shape": shape, "data": _numbers(one, count)})
    yield Recorded(f"/v2/models/{model}/infer", {"inputs": inputs})


def _numbers(tensor: TensorMetadata, count: int) -> list[float] | list[int] | list[bool]:
    """Fractions in [-1, 1), since zeros hide what a model multiplies by; whole numbers may be indices, which 0 is."""
    if tensor.datatype.startswith("FP"):
        return [place * 29 % 64 / 32 - 1 for place in range(count)]
    return [False] * count if tensor.datatype == "BOOL" else [0] * count
