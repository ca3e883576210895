"""Decompressing request bodies without trusting them, and compressing answers for who asks for it."""

import asyncio
import zlib
from collections.abc import Callable

from freehold.errors import FreeholdError

STEP = 1 << 20  # bytes made at a time: about 2 ms of CPU
SMALLEST = 1024  # bytes of an answer that is compressed: below, the headers are most of it
LEVEL = 1  # of tensors, more effort gains next to nothing
_AUTO = zlib.MAX_WBITS | 32  # gzip or zlib, told by the header
_GZIP = zlib.MAX_WBITS | 16
_RAW = -zlib.MAX_WBITS  # what some clients send as "deflate"


async def inflate(data: bytes, encoding: bytes, *, grow: Callable[[int, int], None]) -> bytes:
    """Decompress a gzip or deflate body (RFC 9110, 8.4.1).

    `grow(more, total)` is told of each step's bytes before the next is made, and raises when they are too many: a
    bomb costs no more than the limit. What is longer than one step is made on another thread, a step at a time, so
    that nobody else waits for it. Raises `body_encoding_unsupported`, `body_encoding_invalid`.
    """
    name = encoding.strip().lower()
    if name not in (b"gzip", b"x-gzip", b"deflate"):
        raise FreeholdError("body_encoding_unsupported", encoding=encoding.decode("latin-1")[:40])
    raw = name == b"deflate" and not _has_zlib_header(data)
    stream = zlib.decompressobj(_RAW if raw else _AUTO)
    pieces: list[bytes] = []
    total = 0
    rest = data
    try:
        while not stream.eof:
            if total:
                piece = await asyncio.to_thread(stream.decompress, rest, STEP)
            else:
                piece = stream.decompress(rest, STEP)
            rest = stream.unconsumed_tail
            if not piece and not stream.eof:
                raise zlib.error("it ends too early")
            total += len(piece)
            grow(len(piece), total)
            pieces.append(piece)
    except zlib.error as wrong:
        raise FreeholdError("body_encoding_invalid", encoding=name.decode(), reason=wrong) from None
    if stream.unused_data:
        raise FreeholdError("body_encoding_invalid", encoding=name.decode(), reason="something follows its end")
    return b"".join(pieces)


def beginning(data: bytes, encoding: bytes, most: int) -> tuple[bytes, bool]:
    """The first bytes, `most` of them, that a gzip or deflate body unpacks to, and whether that is all of it.

    `data` may be cut itself. Nothing where it is packed in another way, or wrong.
    """
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        return b"", False
    stream = zlib.decompressobj(_RAW if encoding == b"deflate" and not _has_zlib_header(data) else _AUTO)
    try:
        return stream.decompress(data, most), stream.eof
    except zlib.error:
        return b"", False


async def deflate(body: bytes, accepted: bytes | None) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """An answer's body as a client wants it, and the headers that say so.

    Compressed only for a client that names gzip or deflate alone in `Accept-Encoding`, as Triton's does where its user
    asks for it. Every HTTP library names both in every request, unasked: for it, at 40 MB a second and core, tensors
    would come later than plain. `deflate` is a zlib stream (RFC 9110, 8.4.1.2).
    """
    coding = None if accepted is None or len(body) < SMALLEST else _only_coding(accepted)
    if coding is None:
        return body, ()
    stream = zlib.compressobj(LEVEL, wbits=_GZIP if coding == b"gzip" else zlib.MAX_WBITS)
    if len(body) <= STEP:
        packed = stream.compress(body) + stream.flush()
    else:
        packed = await asyncio.to_thread(lambda: stream.compress(body) + stream.flush())
    return packed, ((b"content-encoding", coding), (b"vary", b"accept-encoding"))


def _only_coding(accepted: bytes) -> bytes | None:
    """gzip or deflate, where `Accept-Encoding` names that one and no other way to compress."""
    codings = []
    for part in accepted.lower().split(b","):
        name, _, weight = part.replace(b" ", b"").partition(b";")
        if name not in (b"", b"identity") and weight not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            codings.append(name)
    return codings[0] if codings in ([b"gzip"], [b"deflate"]) else None


def _has_zlib_header(data: bytes) -> bool:
    """Whether `data` begins as a zlib stream does (RFC 1950, 2.2)."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
