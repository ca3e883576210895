"""What the answer of another server cost, as it says itself: read as it passes, and never changed."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from msgspec import structs

from freehold.http import Response, Stream
from freehold.http.call import EVENT_STREAM
from freehold.http.visit import Visit

_SAID = re.compile(rb'"usage"\s*:\s*\{')
NAME = 64
"""Bytes in which `"usage": {` stands, however it is spaced."""
REACH = 4096
"""Bytes that what is said there may have."""

_Said = Annotated[int, msgspec.Meta(le=10**9)] | None  # what is beyond that no answer took


class _Usage(msgspec.Struct):
    """OpenAI's: embeddings and rerank have no `completion_tokens`, and some servers say `total_tokens` alone."""

    prompt_tokens: _Said = None
    completion_tokens: _Said = None
    total_tokens: _Said = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode
_scan = json.JSONDecoder().raw_decode


async def counted(
    answer: Response | Stream, visit: Visit, model: str, guess: int, digest: str = ""
) -> Response | Stream:
    """`answer` of the server behind `model`, whose tokens `visit` is told, and the `digest` of its weights.

    Of one that does not say them, `guess` are those of the prompt; and each frame of a stream of events is one more, as
    servers send them. Who does not ask for usage is counted all the same.
    """
    visit.place = model
    if answer.status >= 400:
        return answer
    if isinstance(answer, Stream):
        frames = _watched(answer, visit, model, guess, digest)
        await anext(frames)  # begun, so that closing it closes what it reads, whatever happens first
        return structs.replace(answer, frames=frames)
    visit.answered(model, digest, *(_said(answer.body) or (guess, 0)))
    return answer


async def _watched(answer: Stream, visit: Visit, model: str, guess: int, digest: str) -> AsyncGenerator[bytes, None]:
    """b"" once it has begun, then the frames. What it came to is told also where nobody reads it to its end."""
    is_events = answer.content_type.startswith(EVENT_STREAM)
    said: tuple[int, int] | None = None
    events, before = 0, b""
    try:
        async with aclosing(answer.frames) as frames:
            yield b""
            async for frame in frames:
                if is_events:
                    events += frame.count(b"\n\ndata:") + 1
                heard, before = _heard(before + frame)
                said = heard or said
                yield frame
    finally:
        visit.answered(model, digest, *(said or (guess, events)))


def _heard(passing: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """The last tokens that are said in a part of an answer, and what of it to look at again with the next part: frames
    end anywhere, and a large document comes in many."""
    said = None
    place = 0
    for match in _SAID.finditer(passing):
        begin = match.end() - 1
        text = passing[begin : begin + REACH].decode("utf-8", "replace")
        try:
            usage, size = _scan(text)
        except (ValueError, RecursionError):
            if len(text) < REACH:
                return said, passing[match.start() :]
            continue
        place = begin + len(text[:size].encode())
        said = _tokens(usage) or said
    return said, passing[max(place, len(passing) - NAME) :]


def _said(document: bytes) -> tuple[int, int] | None:
    """Tokens in and out; None where the document does not say them."""
    if not _SAID.search(document):
        return None
    try:
        return _counts(_decode(document).usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _tokens(usage: object) -> tuple[int, int] | None:
    try:
        return _counts(msgspec.convert(usage, _Usage))
    except msgspec.ValidationError:
        return None


def _counts(usage: _Usage | None) -> tuple[int, int] | None:
    if usage is None:
        return None
    whole, out = max(0, usage.total_tokens or 0), max(0, usage.completion_tokens or 0)
    prompt = usage.prompt_tokens
    return (max(0, whole - out) if prompt is None else max(0, prompt)), out
