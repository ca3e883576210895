"""What passes between the front and an engine process: the Engine Protocol as msgpack frames.

A frame is a 4-byte big-endian length and one tagged message. Arrays travel as dtype, shape and raw bytes; strings as lists.
"""

import asyncio
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from freehold.artifact import Manifest
from freehold.engine.base import Answer, Array, Capacity, EmbedRequest, Proof, Request, RerankRequest, TensorRequest
from freehold.engine.batcher import Batch
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

LONGEST_FRAME = 1 << 30
HEAD = struct.Struct(">I")


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An array: numpy's dtype string, shape, and its bytes (or its elements, for object arrays of strings or bytes)."""

    dtype: str
    shape: tuple[int, ...]
    data: Any

    @classmethod
    def of(cls, array: Array) -> "Packed":
        """Pack `array`."""
        if array.dtype == object:
            return cls("O", array.shape, array.ravel().tolist())
        return cls(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())

    def array(self) -> Array:
        """Unpack; the array reads the frame's own memory."""
        if isinstance(self.data, list):
            filled = np.empty(len(self.data), dtype=object)
            filled[:] = self.data
            return filled.reshape(self.shape)
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


class Trouble(msgspec.Struct, frozen=True):
    """A FreeholdError on its way: its code and those details that are plain values, the others as text."""

    code: str
    details: dict[str, Any]

    @classmethod
    def of(cls, error: FreeholdError) -> "Trouble":
        """Describe `error`."""
        plain = (bool, int, float, str, list, type(None))
        return cls(error.code, {k: v if isinstance(v, plain) else str(v) for k, v in error.details.items()})

    def error(self) -> FreeholdError:
        """The error again."""
        return FreeholdError(self.code, **self.details)


class Open(msgspec.Struct, frozen=True, tag=True):
    """To the process, first: what to load and how."""

    path: str
    name: str
    settings: EngineSettings


class Infer(msgspec.Struct, frozen=True, tag=True):
    """To the process: a request, and the seconds within which it must begin. One of the three bodies is set."""

    id: int
    within_s: float
    tensors: dict[str, Packed] | None = None
    outputs: tuple[str, ...] = ()
    texts: list[str | list[int]] | None = None
    query: str | None = None


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """To the process: nobody waits for this request any more."""

    id: int


class Close(msgspec.Struct, frozen=True, tag=True):
    """To the process: finish within this time and leave."""

    grace_s: float


class Opened(msgspec.Struct, frozen=True, tag=True):
    """From the process: loaded and replayed."""

    manifest: Manifest
    digest: str
    precision: str
    max_tokens: int
    status: str
    cases: int
    replayed: int
    recorded_by: str
    failure: Trouble | None


class Answered(msgspec.Struct, frozen=True, tag=True):
    """From the process: the answer to a request, and what its queue looks like now."""

    id: int
    outputs: dict[str, Packed]
    tokens: int
    truncated: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """From the process: a request (id >= 0) or the load itself (id -1) failed."""

    id: int
    trouble: Trouble


class Ran(msgspec.Struct, frozen=True, tag=True):
    """From the process after a batch: its figures, and what waits and runs now."""

    batch: Batch
    capacity: Capacity


ToEngine = Open | Infer | Cancel | Close
FromEngine = Opened | Answered | Refused | Ran


def _encode_other(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not travel")


def _decode_other(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"{kind.__name__} does not travel")


ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_other)
TO_ENGINE: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine, dec_hook=_decode_other)
FROM_ENGINE: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine, dec_hook=_decode_other)


def frame(message: ToEngine | FromEngine) -> bytes:
    """The bytes of one message."""
    body = ENCODER.encode(message)
    return HEAD.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next message's bytes. Raises asyncio.IncompleteReadError when the other side is gone."""
    (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > LONGEST_FRAME:
        raise ConnectionError(f"a frame of {length} bytes")
    return await reader.readexactly(length)


def infer_of(number: int, request: Request, within_s: float) -> Infer:
    """A request as a message."""
    if isinstance(request, TensorRequest):
        tensors = {name: Packed.of(array) for name, array in request.inputs.items()}
        return Infer(number, within_s, tensors=tensors, outputs=request.outputs)
    query = request.query if isinstance(request, RerankRequest) else None
    return Infer(number, within_s, texts=list(request.texts), query=query)


def request_of(message: Infer) -> Request:
    """The request of a message."""
    if message.tensors is not None:
        return TensorRequest({name: packed.array() for name, packed in message.tensors.items()}, message.outputs)
    texts = message.texts or []
    if message.query is not None:
        return RerankRequest(message.query, [text for text in texts if isinstance(text, str)])
    return EmbedRequest(texts)


def answer_of(message: Answered) -> Answer:
    """The answer of a message."""
    outputs = {name: packed.array() for name, packed in message.outputs.items()}
    return Answer(outputs, message.tokens, message.truncated)


def proof_of(message: Opened) -> Proof:
    """The proof that a process reported."""
    failure = message.failure.error() if message.failure else None
    return Proof(message.status, message.cases, message.replayed, message.recorded_by, failure)
