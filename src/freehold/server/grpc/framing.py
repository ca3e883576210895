"""gRPC over HTTP/2: messages in a request's body and an answer's, statuses behind them.

Source: grpc/grpc `doc/PROTOCOL-HTTP2.md` and `doc/compression.md`.
"""

import asyncio
from collections.abc import Callable, Iterable
from urllib.parse import quote

from freehold.errors import FreeholdError
from freehold.http import BodyLimits
from freehold.http.compression import inflate
from freehold.http.http2.hpack import Header, encode
from freehold.http.http2.stream import Stream

PREFIX = 5
"""Bytes before a message: whether it is packed, and its length."""
PIECE = 1 << 20
"""Bytes of a message that are asked for, and counted as held, at a time."""
MEGABYTE = 1 << 20
CODES = {
    "OK": 0,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""The numbers of those statuses that are told here."""
OPENING = encode(
    ((b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-accept-encoding", b"identity,deflate,gzip"))
)
"""The headers of every answer."""
NOT_GRPC = encode(((b":status", b"415"), (b"content-type", b"text/plain")))
"""What is told to those who speak HTTP/2 and not gRPC."""

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PLAIN = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_FINE = encode(((b"grpc-status", b"0"),))


async def receive(
    stream: Stream, limits: BodyLimits, hold: Callable[[int], None], *, idle: bool = False
) -> bytes | None:
    """The next message, unpacked; None where there is none. `hold` takes of the memory budget what came of it.

    `idle`: its client may take its time to begin. Raises `body_too_large`, `slow_client`, `message_malformed`, what
    `inflate` and `hold` raise.
    """
    prefix = await stream.read(PREFIX) if idle or stream.has(PREFIX) else await _soon(stream, PREFIX, limits)
    if not prefix:
        return None
    size = int.from_bytes(prefix[1:], "big")
    if len(prefix) < PREFIX or prefix[0] > 1:
        raise _malformed(stream)
    if size > limits.size:
        raise _too_large(limits, f"{size} bytes")
    if stream.has(size):
        hold(size)
        message = await stream.read(size)
    else:
        message = await _slowly(stream, size, limits, hold)
    if len(message) < size:
        raise _malformed(stream)
    if not prefix[0]:
        return message

    def grow(more: int, total: int) -> None:
        if total > limits.size:
            raise _too_large(limits, f"more than {limits.size} bytes unpacked")
        hold(more)

    return await inflate(message, stream.headers.get(b"grpc-encoding", b""), grow=grow)


async def send(stream: Stream, message: bytes | None, trailers: bytes | None = None) -> None:
    """Send a message, and with `trailers` the end of the answer. Waits while the client takes nothing."""
    if message is None:
        await stream.send(OPENING, None, trailers)
        return
    prefix = b"\0" + len(message).to_bytes(4, "big")
    if len(message) < PIECE:
        await stream.send(OPENING, prefix + message, trailers)
    else:  # it is not copied for those five bytes
        await stream.send(OPENING, prefix, None)
        await stream.send(OPENING, message, trailers)


def ending(headers: Iterable[Header], status: str = "OK", text: str = "") -> bytes:
    """The trailers of an answer: its status, and `headers`. `text` says what is wrong."""
    if status == "OK":
        return _FINE + encode(tuple(headers))
    said = quote(text, safe=_PLAIN, errors="replace").encode("ascii")  # percent-encoded, as the protocol wants it
    own = ((b"grpc-status", b"%d" % CODES[status]), (b"grpc-message", said))
    return encode((*own, *headers))


def timeout_s(value: bytes | None) -> float | None:
    """What `grpc-timeout` allows, in seconds; None where it says nothing that can be read."""
    if value is None or not value[:-1].isdigit() or len(value) > 9:
        return None
    unit = _UNITS.get(value[-1:])
    return None if unit is None else int(value[:-1]) * unit


async def _slowly(stream: Stream, size: int, limits: BodyLimits, hold: Callable[[int], None]) -> bytes:
    """A message that is on its way. Memory is held for what was asked for, a piece at a time."""
    pieces: list[bytes] = []
    left, until = size, asyncio.get_running_loop().time() + limits.timeout_s
    while left:
        asked = min(left, PIECE)
        hold(asked)
        piece = await _soon(stream, asked, limits, until, size - left)
        pieces.append(piece)
        left -= len(piece)
        if len(piece) < asked:
            break
    return b"".join(pieces)


async def _soon(stream: Stream, size: int, limits: BodyLimits, until: float | None = None, received: int = 0) -> bytes:
    try:
        async with asyncio.timeout(limits.timeout_s) if until is None else asyncio.timeout_at(until):
            return await stream.read(size)
    except TimeoutError:
        raise FreeholdError("slow_client", timeout_s=limits.timeout_s, received=received) from None


def _malformed(stream: Stream) -> FreeholdError:
    return FreeholdError("message_malformed", message=stream.headers.get(b":path", b"").decode("latin-1")[:200])


def _too_large(limits: BodyLimits, seen: str) -> FreeholdError:
    return FreeholdError("body_too_large", limit_mb=limits.size / MEGABYTE, seen=seen)
