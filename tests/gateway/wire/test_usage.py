"""What answers of other servers cost, by what they say and by what passes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from freehold.access import Key
from freehold.gateway.wire.usage import counted
from freehold.http import Response, Stream
from freehold.http.visit import Asked, Visit

GUESS = 7


def visit() -> Visit:
    return Visit(Key("k", "client", 0.0, b""), Asked("infer", "POST", "/v1/chat/completions", "r", ""), {}, None, None)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}', (3, 4)),
        (b'{"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":1}}}', (3, 0)),
        (b'{"usage": {"total_tokens": 9}}', (9, 0)),
        (b'{"usage": {"total_tokens": 9, "completion_tokens": 4}}', (5, 4)),
        (b'{"usage": {"prompt_tokens": -3, "completion_tokens": -4}}', (0, 0)),
        (b'{"usage": {"prompt_tokens": 3, "completion_tokens": 9223372036854775808}}', (GUESS, 0)),
        (b'{"usage": null}', (GUESS, 0)),
        (b'{"usage": {"prompt_tokens": "three"}}', (GUESS, 0)),
        (b'{"usage": {', (GUESS, 0)),
        (b"\xff\x00", (GUESS, 0)),
        (b"", (GUESS, 0)),
    ],
)
def test_a_whole_answer_says_its_tokens_or_they_are_guessed(body: bytes, tokens: tuple[int, int]) -> None:
    """Whatever a server writes there, the answer is passed on as it came."""
    one, answer = visit(), Response(body)
    assert asyncio.run(counted(answer, one, "m", GUESS, "sha256:1")) is answer
    assert (one.prompt_tokens, one.completion_tokens, one.model, one.place) == (*tokens, "m", "m")
    assert one.digest == "sha256:1"


def test_an_error_costs_nothing() -> None:
    """Nothing was answered."""
    one = visit()
    asyncio.run(counted(Response(b"{}", 500), one, "m", GUESS))
    assert (one.prompt_tokens, one.completion_tokens) == (0, 0)


class Source:
    """Frames, and whether they were closed."""

    def __init__(self, *frames: bytes) -> None:
        self.closed = False
        self.stream = Stream(self._frames(frames))

    async def _frames(self, frames: tuple[bytes, ...]) -> AsyncGenerator[bytes, None]:
        try:
            for frame in frames:
                yield frame
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("frames", "tokens"),
    [
        ((b'data: {"usage": null}\n\n', b'data: {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'), (3, 2)),
        ((b'data: {}\n\ndata: {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\ndata: [DONE]\n\n',), (3, 2)),
        ((b"data: {}\n\n", b"data: {}\n\ndata: {}\n\n"), (GUESS, 3)),
    ],
)
def test_a_stream_says_its_tokens_or_its_frames_count(frames: tuple[bytes, ...], tokens: tuple[int, int]) -> None:
    """Who does not ask for usage is counted all the same; no frame is changed."""

    async def read() -> tuple[list[bytes], Visit]:
        one = visit()
        answer = await counted(Source(*frames).stream, one, "m", GUESS)
        assert isinstance(answer, Stream)
        return [frame async for frame in answer.frames], one

    seen, one = asyncio.run(read())
    assert seen == list(frames)
    assert (one.prompt_tokens, one.completion_tokens) == tokens


@pytest.mark.parametrize("read", [0, 1])
def test_a_stream_that_its_client_leaves_is_closed_and_counted(read: int) -> None:
    """Also before its first frame."""

    async def leave() -> tuple[Source, Visit]:
        one, source = visit(), Source(b"data: {}\n\n", b"data: {}\n\n")
        await anext(source.stream.frames)  # as `forward` begins its own
        answer = await counted(source.stream, one, "m", GUESS)
        assert isinstance(answer, Stream)
        for _ in range(read):
            await anext(answer.frames)
        await answer.frames.aclose()
        return source, one

    source, one = asyncio.run(leave())
    assert source.closed
    assert (one.prompt_tokens, one.completion_tokens) == (GUESS, read)
