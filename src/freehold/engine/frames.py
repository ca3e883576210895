"""What passes between the front and an engine process: the Engine Protocol as msgpack frames.

A frame is a 4-byte big-endian length and one tagged message. Arrays travel as dtype, shape and
raw bytes; those of strings as lists.
"""

import asyncio
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from freehold.artifact import Manifest
from freehold.engine.base import (
    Answer,
    Array,
    Capacity,
    EmbedRequest,
    Proof,
    Request,
    RerankRequest,
    ScoreRequest,
    TensorRequest,
)
from freehold.engine.batcher import Batch
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

LONGEST_FRAME = 1 << 30
READ_AHEAD = 1 << 24
"""Bytes that a side reads before it has decoded them; beyond that the kernel's buffer fills and the writer waits."""
HEAD = struct.Struct(">I")


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An array: numpy's dtype string, shape, and its bytes (or its elements, for object arrays of strings or bytes)."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview | list[Any]

    @classmethod
    def of(cls, array: Array) -> "Packed":
        """Pack `array`; its memory is read when the message is encoded."""
        if array.dtype == object:
            return cls("O", array.shape, array.ravel().tolist())
        flat = np.ascontiguousarray(array).reshape(-1)
        return cls(array.dtype.str, array.shape, flat.view(np.uint8).data)

    def array(self) -> Array:
        """Unpack; the array reads the frame's own memory and cannot be written."""
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
        return cls(error.code, {name: _plain(value) for name, value in error.details.items()})

    def error(self) -> FreeholdError:
        """The error again."""
        return FreeholdError(self.code, **self.details)


class Open(msgspec.Struct, frozen=True, tag=True):
    """To the process, first: what to load and how, and how the front writes its log."""

    path: str
    name: str
    settings: EngineSettings
    log_format: str = "json"
    log_level: str = "warning"


class Infer(msgspec.Struct, frozen=True, tag=True):
    """To the process: a request, the seconds within which it must begin, and whether it lets all others go first. One
    of the three bodies is set."""

    id: int
    within_s: float
    later: bool = False
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
    capacity: Capacity


class Unopened(msgspec.Struct, frozen=True, tag=True):
    """From the process: why it could not load."""

    trouble: Trouble


class Answered(msgspec.Struct, frozen=True, tag=True):
    """From the process: the answer to a request."""

    id: int
    outputs: dict[str, Packed]
    tokens: int
    truncated: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """From the process: a request failed in a way that its client can be told."""

    id: int
    trouble: Trouble


class Broke(msgspec.Struct, frozen=True, tag=True):
    """From the process: a request met a defect; the process has logged it."""

    id: int
    reason: str


class Ran(msgspec.Struct, frozen=True, tag=True):
    """From the process after a batch: its figures, and what waits and runs now."""

    batch: Batch
    capacity: Capacity


class Queued(msgspec.Struct, frozen=True, tag=True):
    """From the process some time after a request came: what waits and runs, while no batch ends that would say so."""

    capacity: Capacity


ToEngine = Open | Infer | Cancel | Close
FromEngine = Opened | Unopened | Answered | Refused | Broke | Ran | Queued


def _plain(value: object) -> Any:
    """`value` as what msgpack carries, of the same type where format specs may need it (`{waited_s:.1f}`)."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    if isinstance(value, bool | int | float | None):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


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


def frame(message: ToEngine | FromEngine) -> bytearray:
    """The bytes of one message. Raises FreeholdError `frame_too_long`: the other side would take it for garbage."""
    whole = bytearray()
    ENCODER.encode_into(message, whole, HEAD.size)
    length = len(whole) - HEAD.size
    if length > LONGEST_FRAME:
        raise FreeholdError("frame_too_long", megabytes=length >> 20, limit=LONGEST_FRAME >> 20)
    HEAD.pack_into(whole, 0, length)
    return whole


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next message's bytes. Raises asyncio.IncompleteReadError when the other side is gone, ConnectionError when
    what comes is no frame."""
    (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
    if length > LONGEST_FRAME:
        raise ConnectionError(f"a frame of {length} bytes")
    return await reader.readexactly(length)


def infer_of(number: int, request: Request, within_s: float, later: bool = False) -> Infer:
    """A request as a message."""
    if isinstance(request, TensorRequest):
        tensors = {name: Packed.of(array) for name, array in request.inputs.items()}
        return Infer(number, within_s, later, tensors=tensors, outputs=request.outputs)
    if isinstance(request, ScoreRequest):
        raise TypeError("scores are for the process that holds the engine")
    query = request.query if isinstance(request, RerankRequest) else None
    return Infer(number, within_s, later, texts=list(request.texts), query=query)


def request_of(message: Infer) -> Request:
    """The request of a message."""
    if message.tensors is not None:
        return TensorRequest({name: packed.array() for name, packed in message.tensors.items()}, message.outputs)
    texts = message.texts or []
    if message.query is not None:
        return RerankRequest(message.query, [text for text in texts if isinstance(text, str)])
    return EmbedRequest(texts)


def answered_of(number: int, answer: Answer) -> Answered:
    """An answer as a message."""
    outputs = {name: Packed.of(array) for name, array in answer.outputs.items()}
    return Answered(number, outputs, answer.tokens, answer.truncated)


def answer_of(message: Answered) -> Answer:
    """The answer of a message."""
    outputs = {name: packed.array() for name, packed in message.outputs.items()}
    return Answer(outputs, message.tokens, message.truncated)


def proof_of(message: Opened) -> Proof:
    """The proof that a process reported."""
    failure = message.failure.error() if message.failure else None
    return Proof(message.status, message.cases, message.replayed, message.recorded_by, failure)
