"""What the answer of another server cost, as it says itself: read as it passes, and never changed."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from msgspec import structs

from freehold.http import Response, Stream
from freehold.http.visit import Visit

_SAID = re.compile(rb'"usage"\s*:\s*\{')
_EVENT = re.compile(rb"^data:\s*(\{.*)$", re.MULTILINE)


_Said = Annotated[int, msgspec.Meta(le=10**9)] | None  # what is beyond that no answer took


class _Usage(msgspec.Struct):
    """OpenAI's: embeddings and rerank have no `completion_tokens`, and some servers say `total_tokens` alone."""

    prompt_tokens: _Said = None
    completion_tokens: _Said = None
    total_tokens: _Said = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


async def counted(
    answer: Response | Stream, visit: Visit, model: str, guess: int, digest: str = ""
) -> Response | Stream:
    """`answer` of the server behind `model`, whose tokens `visit` is told, and the `digest` of its weights.

    Of one that does not say them, `guess` are those of the prompt; and each frame of a stream of events is one more, as
    servers send them. Who does not ask for usage is counted all the same.
    """
    visit.place = model
    if isinstance(answer, Stream):
        frames = _watched(answer.frames, visit, model, guess, digest)
        await anext(frames)  # begun, so that closing it closes what it reads, whatever happens first
        return structs.replace(answer, frames=frames)
    if answer.status < 400:
        visit.answered(model, digest, *(_said(answer.body) or (guess, 0)))
    return answer


async def _watched(
    frames: AsyncGenerator[bytes, None], visit: Visit, model: str, guess: int, digest: str
) -> AsyncGenerator[bytes, None]:
    """b"" once it has begun, then `frames`. What it came to is told also where nobody reads it to its end."""
    said: tuple[int, int] | None = None
    events = 0
    try:
        async with aclosing(frames):
            yield b""
            async for frame in frames:
                events += frame.count(b"\n\ndata:") + 1
                if _SAID.search(frame):
                    for event in _EVENT.findall(frame):
                        said = _said(event) or said
                yield frame
    finally:
        visit.answered(model, digest, *(said or (guess, events)))


def _said(document: bytes) -> tuple[int, int] | None:
    """Tokens in and out; None where the document does not say them."""
    if not _SAID.search(document):
        return None
    try:
        usage = _decode(document).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if usage is None:
        return None
    whole, out = max(0, usage.total_tokens or 0), max(0, usage.completion_tokens or 0)
    prompt = usage.prompt_tokens
    return (max(0, whole - out) if prompt is None else max(0, prompt)), out
