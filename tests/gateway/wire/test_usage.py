"""What answers of other servers cost, by what they say and by what passes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from msgspec import structs

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
        ((b'data: {"us', b'age": {"prompt_tok', b'ens": 3, "completion_tokens": 2}}\n\n'), (3, 2)),
        ((b'data: {"delta": "{\\"usage\\": {\\"prompt_tokens\\": 9}}"}\n\n',), (GUESS, 1)),
        ((b'data: {"usage": {"prompt_tokens": "', b"x" * 9000, b'"}}\n\n'), (GUESS, 3)),
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


EMBEDDED = b'{"data": [' + b"0.25, " * 20_000 + b'1], "usage": {"prompt_tokens": 3, "details": {"a": 1}}, "model": "m"}'


@pytest.mark.parametrize("size", [1, 7, 1000, 65_536])
def test_a_large_document_says_its_tokens_however_it_is_cut(size: int) -> None:
    """Vectors come in many pieces, none of which is an event."""

    async def read() -> Visit:
        one = visit()
        start = 0 if size > 7 else len(EMBEDDED) - 200  # every cut through its end, and not a hundred thousand of them
        pieces = [EMBEDDED[place : place + size] for place in range(start, len(EMBEDDED), size)]
        source = structs.replace(Source(*pieces).stream, content_type=b"application/json")
        answer = await counted(source, one, "m", GUESS)
        assert isinstance(answer, Stream)
        assert b"".join([frame async for frame in answer.frames]) == EMBEDDED[start:]
        return one

    one = asyncio.run(read())
    assert (one.prompt_tokens, one.completion_tokens) == (3, 0)


def test_a_document_without_usage_costs_what_was_guessed() -> None:
    """Its pieces are no tokens; one that is an error costs nothing."""

    async def read(status: int) -> Visit:
        one = visit()
        stream = Source(b'{"data": [', b"1", b"]}").stream
        answer = await counted(
            structs.replace(stream, content_type=b"application/json", status=status), one, "m", GUESS
        )
        assert isinstance(answer, Stream)
        assert [frame async for frame in answer.frames]
        return one

    assert [asyncio.run(read(status)).prompt_tokens for status in (200, 500)] == [GUESS, 0]
    assert asyncio.run(read(200)).completion_tokens == 0


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
