"""One connection to a server: answers of every form, in any pieces, and every way in which one can fail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freehold.gateway.wire.answer import Answer, CutError, GarbageError, SilenceError, WireError
from freehold.gateway.wire.connection import Connection
from freehold.gateway.wire.pool import Pool

from .scripted import PATIENCE_S, REQUEST, request, saying, scripted

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\n"
JSON = b"Content-Type: application/json\r\n"
ANSWERS = {
    "sized": OK + JSON + b"Content-Length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX-Trailer: t\r\n\r\n",
    "events": OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
    + OK
    + b"Content-Length: 1\r\n\r\nx",
    "no content": b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "closing": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nab",
    "old": b"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\nuntil the end",
    "old and kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
    "without length": OK + b"\r\nuntil the end",
    "short": OK + b"Content-Length: 100\r\n\r\nonly this",
    "half a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "half a head": OK + b"Content-Le",
    "nothing": b"",
    "more than one": OK + b"Content-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
    "garbage": b"SSH-2.0-OpenSSH_9.6\r\nwhat is this\r\n\r\n",
    "broken header": OK + b"no colon\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n....",
    "too many headers": OK + b"A: b\r\n" * 300 + b"\r\n",
    "too long a head": OK + (b"A: " + b"b" * 1000 + b"\r\n") * 70 + b"\r\n",
    "too many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
}


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: uvloop is not there on every system."""
    return "asyncio", {"use_uvloop": request.param}


class Recording(asyncio.Transport):
    """A transport whose other side is a list of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = self.paused = False
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def told(pieces: list[bytes], headless: bool = False) -> tuple[Any, ...]:
    """What comes of an answer that arrives in these pieces, before its connection ends."""

    async def hear() -> tuple[Any, ...]:
        kept: list[Connection] = []
        connection, transport = Connection(kept.append, lambda _: None), Recording()
        connection.connection_made(transport)
        answer = connection.ask(REQUEST, b"{}", silence_s=PATIENCE_S, headless=headless)
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
        reused = bool(kept) and not transport.closed
        if not transport.closed:
            connection.eof_received()
        body, failure = b"", None
        try:
            await answer.begun()
            while piece := await answer.read():
                body += piece
        except WireError as error:
            failure = type(error)
        return answer.status, answer.headers, body, answer.complete, failure, reused

    return asyncio.run(hear())


def split(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


@pytest.mark.parametrize("name", ANSWERS)
def test_however_an_answer_is_cut_into_reads_the_same_comes_of_it(name: str) -> None:
    """Head, body, end, what is wrong with it, and whether its connection may be used again."""
    data = ANSWERS[name]
    whole = told([data])

    @settings(max_examples=12, deadline=None, database=None)
    @example(list(range(min(len(data), 300))))
    @given(st.lists(st.integers(0, 1 << 17), max_size=8))
    def check(places: list[int]) -> None:
        assert told(split(data, places)) == whole

    check()


@pytest.mark.parametrize(
    ("name", "status", "body", "failure", "reused"),
    [
        ("sized", 200, b"hello", None, True),
        ("empty", 500, b"", None, True),
        ("chunked", 200, b"hello!", None, True),
        ("interim", 200, b"x", None, True),
        ("no content", 204, b"", None, True),
        ("not modified", 304, b"", None, True),
        ("closing", 200, b"ab", None, False),
        ("old", 200, b"until the end", None, False),
        ("old and kept", 200, b"ab", None, True),
        ("without length", 200, b"until the end", None, False),
        ("short", 200, b"only this", CutError, False),
        ("half a chunk", 200, b"hel", CutError, False),
        ("half a head", 0, b"", CutError, False),
        ("nothing", 0, b"", CutError, False),
        ("more than one", 200, b"a", None, False),
        ("garbage", 0, b"", GarbageError, False),
        ("broken header", 0, b"", GarbageError, False),
        ("bad chunk", 200, b"abc", GarbageError, False),
        ("another protocol", 0, b"", GarbageError, False),
        ("too many headers", 0, b"", GarbageError, False),
        ("too long a head", 0, b"", GarbageError, False),
        ("too many interim answers", 0, b"", GarbageError, False),
    ],
)
def test_answers_of_every_form_are_understood(
    name: str, status: int, body: bytes, failure: type[WireError] | None, reused: bool
) -> None:
    """What came before a failure is given first; headers have names in lower case, trailers are passed over."""
    seen = told([ANSWERS[name]])
    assert (seen[0], seen[2], seen[4], seen[5]) == (status, body, failure, reused)
    if name == "sized":
        assert seen[1] == [(b"content-type", b"application/json"), (b"content-length", b"5")]


def test_the_answer_to_head_has_no_body() -> None:
    """Though it tells the length that one would have; the connection goes on, unless a body comes all the same."""
    head, _, body = ANSWERS["sized"].rpartition(b"\r\n\r\n")
    assert told([head + b"\r\n\r\n"], headless=True)[2:] == (b"", True, None, True)
    assert told([head + b"\r\n\r\n" + body], headless=True)[2:] == (b"", True, None, False)


async def connected(url: str) -> tuple[Pool, Connection]:
    pool = Pool(url)
    return pool, await pool.connect()


async def test_an_answer_that_nobody_reads_waits_on_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow client slows the server; meanwhile silence is not the server's fault."""
    size = 32 << 20
    sent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % size + bytes(size))
        await writer.drain()
        sent.set()
        await reader.read()

    async with scripted(talk) as url:
        _, connection = await connected(url)
        answer = connection.ask(REQUEST, b"{}", silence_s=0.5)
        await answer.begun()
        await asyncio.sleep(0.7)
        assert not sent.is_set()
        assert answer.held < 1 << 20
        total = 0
        while piece := await answer.read():
            total += len(piece)
        assert total == size


async def test_a_body_is_sent_no_faster_than_it_is_read() -> None:
    """Of a large one little lies in the transport; of one that comes in pieces, no piece is asked for too early."""
    taken = 0
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(OK + b"Content-Length: 0\r\n\r\n" if await request(reader) else b"")
        await reader.read()

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield bytes(1 << 15)

    async with scripted(talk) as url:
        _, connection = await connected(url)
        answer = connection.announce(
            b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n", silence_s=PATIENCE_S
        )
        sending = asyncio.create_task(connection.send(pieces(), chunked=True))
        await asyncio.sleep(0.2)
        assert 0 < taken < 900
        go.set()
        await sending
        await answer.begun()
        assert taken == 1000
    async with scripted(talk) as url:
        _, connection = await connected(url)
        head = b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % (20 << 20)
        answer = connection.ask(head, bytes(20 << 20), silence_s=PATIENCE_S)
        await answer.ended()
        assert answer.status == 200


@pytest.mark.parametrize("said", [b"", OK + b"Content-", OK + b"Content-Length: 9\r\n\r\nbegun"])
async def test_silence_ends_a_request(said: bytes) -> None:
    """Before its answer, within its head, within its body; the connection is closed."""
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(said)(reader, writer)
        left.set()

    async with scripted(talk) as url:
        _, connection = await connected(url)
        answer = connection.ask(REQUEST, b"{}", silence_s=0.1)
        with pytest.raises(SilenceError):
            await answer.ended()
        await asyncio.wait_for(left.wait(), PATIENCE_S)


async def test_a_server_that_stops_reading_is_given_up() -> None:
    """A body that is no longer taken is silence as well."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(PATIENCE_S)

    async with scripted(talk) as url:
        _, connection = await connected(url)
        answer = connection.ask(REQUEST, bytes(32 << 20), silence_s=0.1)
        with pytest.raises(SilenceError):
            await answer.begun()


async def test_bytes_that_keep_coming_are_no_silence() -> None:
    """Though the whole takes longer than the bound."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for byte in OK + b"Content-Length: 0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    async with scripted(talk) as url:
        _, connection = await connected(url)
        await connection.ask(REQUEST, b"{}", silence_s=0.5).ended()


async def test_an_answer_may_come_before_its_request_was_sent() -> None:
    """It is complete and whole; such a connection is not used again."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(PATIENCE_S)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    async with scripted(talk) as url:
        pool, connection = await connected(url)
        answer = connection.announce(REQUEST, silence_s=PATIENCE_S)
        await asyncio.wait_for(connection.send(endless(), chunked=False), PATIENCE_S)
        assert (answer.status, answer.taken(), answer.complete) == (413, b"{}", True)
        assert not pool._idle


async def test_who_does_not_wait_for_an_answer_ends_its_connection() -> None:
    """The server hears of it at once; an answer that was complete ends nothing."""
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(ANSWERS["sized"], OK + b"Content-Length: 9\r\n\r\n")(reader, writer)
        left.set()

    async with scripted(talk) as url:
        pool = Pool(url)
        first = await pool.ask(REQUEST, b"{}", silence_s=PATIENCE_S)
        await first.ended()
        second = await pool.ask(REQUEST, b"{}", silence_s=PATIENCE_S)
        first.close()
        assert not left.is_set()
        second.close()
        await asyncio.wait_for(left.wait(), PATIENCE_S)


async def test_a_failure_of_what_sends_the_body_is_its_own() -> None:
    """The client left, say; the connection is for who began the request to close."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError

    async with scripted(saying(b"")) as url:
        _, connection = await connected(url)
        answer: Answer = connection.announce(REQUEST, silence_s=PATIENCE_S)
        with pytest.raises(LookupError):
            await connection.send(broken(), chunked=False)
        answer.close()
        assert connection.idle_since == 0.0
