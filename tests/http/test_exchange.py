"""One request and its answer, as ASGI sees them and as bytes."""

import asyncio
from typing import Any

import pytest

from freehold.http.exchange import CONTINUE, JOINED_BYTES, Exchange


class Recorded:
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        self.written = b""
        self.writes = 0
        self.finished: list[Exchange] = []
        self.congested = False
        self.room = asyncio.Event()

    def write(self, pieces: list[bytes]) -> None:
        self.written += b"".join(pieces)
        self.writes += 1

    async def drained(self) -> None:
        await self.room.wait()

    def answered(self, exchange: Exchange) -> None:
        self.finished.append(exchange)

    def consumed(self) -> None:
        """There is room for more of the body."""

    def date(self) -> bytes:
        return b"date: today\r\n"


def exchange(wire: Recorded, *, method: str = "POST", old: bool = False, **flags: bool) -> Exchange:
    settings: dict[str, Any] = {"keep_alive": True, "expects_continue": False, **flags}
    return Exchange(wire, {"method": method}, old=old, **settings)


async def answer(one: Exchange, *bodies: bytes, status: int = 200, sized: bool = True, **headers: bytes) -> None:
    listed = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    if sized:
        listed.append((b"content-length", b"%d" % sum(map(len, bodies))))
    await one.send({"type": "http.response.start", "status": status, "headers": listed})
    for body in bodies[:-1]:
        await one.send({"type": "http.response.body", "body": body, "more_body": True})
    await one.send({"type": "http.response.body", "body": bodies[-1]})


@pytest.mark.anyio
async def test_head_and_body_leave_in_one_write() -> None:
    """Two system calls for one small answer would be the larger part of its cost."""
    wire = Recorded()
    await answer(exchange(wire), b"abc", content_type=b"text/plain")
    assert wire.writes == 1
    assert wire.written == (
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("status", [299, 499, 529])
async def test_a_status_that_has_no_name_is_sent_all_the_same(status: int) -> None:
    """Servers behind this one have statuses of their own; the reason may be empty (RFC 9112, 4)."""
    wire = Recorded()
    await answer(exchange(wire), b"abc", status=status)
    assert wire.written.startswith(b"HTTP/1.1 %d \r\ndate: " % status)


@pytest.mark.anyio
async def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    """And ends with the empty chunk."""
    wire = Recorded()
    wire.room.set()
    await answer(exchange(wire), b"ab", b"c", b"", sized=False)
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


@pytest.mark.anyio
async def test_http_1_0_gets_no_chunks_and_hears_what_becomes_of_the_connection() -> None:
    """Of unknown length: the end of the connection is the end of the body. Of known length: it may stay."""
    wire = Recorded()
    one = exchange(wire, old=True)
    await answer(one, b"abc", sized=False)
    assert wire.written.endswith(b"connection: close\r\n\r\nabc")
    assert not one.keep_alive
    wire = Recorded()
    await answer(exchange(wire, old=True), b"abc")
    assert b"connection: keep-alive\r\n" in wire.written


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("POST", 304)])
async def test_what_has_no_body_sends_none(method: str, status: int) -> None:
    """HEAD says the length that GET would have; 204 and 304 say none."""
    wire = Recorded()
    await answer(exchange(wire, method=method), b"abc", status=status)
    assert wire.written.endswith(b"\r\n\r\n")
    assert (b"content-length: 3" in wire.written) == (method == "HEAD")


@pytest.mark.anyio
async def test_a_connection_that_ends_says_so_once() -> None:
    """Whether the app asks for it or the connection wants it."""
    wire = Recorded()
    one = exchange(wire)
    await answer(one, b"a", connection=b"close")
    assert wire.written.count(b"connection: close") == 1
    assert not one.keep_alive


@pytest.mark.anyio
async def test_a_body_is_received_in_the_pieces_that_are_there() -> None:
    """Waiting only when none is there; the end is told with the last piece."""
    one = exchange(Recorded())
    one.feed(b"a")
    one.feed(b"b")
    assert await one.receive() == {"type": "http.request", "body": b"ab", "more_body": True}
    waiting = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    one.feed(b"c")
    assert (await waiting)["body"] == b"c"
    one.end()
    assert await one.receive() == {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.anyio
async def test_after_the_body_one_receives_the_departure() -> None:
    """Not before: a waiting request sleeps until its client leaves."""
    one = exchange(Recorded())
    one.end()
    await one.receive()
    waiting = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    one.leave()
    assert await waiting == {"type": "http.disconnect"}


@pytest.mark.anyio
async def test_a_client_that_is_gone_is_sent_nothing() -> None:
    """And that is no error."""
    wire = Recorded()
    one = exchange(wire)
    one.leave()
    await answer(one, b"abc")
    assert wire.written == b""


@pytest.mark.anyio
async def test_a_client_that_asks_before_it_sends_hears_once_that_it_may() -> None:
    """When the app wants the body, and never after the answer."""
    wire = Recorded()
    one = exchange(wire, expects_continue=True)
    waiting = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    assert wire.written == CONTINUE
    one.feed(b"a")
    await waiting
    refused = exchange(wire, expects_continue=True)
    await answer(refused, b"no")
    assert wire.written.count(CONTINUE) == 1
    assert refused.expects_continue


@pytest.mark.anyio
async def test_an_answer_waits_for_a_client_that_has_not_read_the_last_one() -> None:
    """Pipelined requests would otherwise pile up answers in memory."""
    wire = Recorded()
    wire.congested = True
    sending = asyncio.create_task(answer(exchange(wire), b"abc"))
    await asyncio.sleep(0)
    assert wire.written == b""
    wire.room.set()
    await sending
    assert wire.written.endswith(b"abc")


@pytest.mark.anyio
async def test_what_comes_after_the_answer_is_dropped() -> None:
    """The rest of a body that nobody wanted takes no memory."""
    one = exchange(Recorded())
    await answer(one, b"no")
    one.feed(b"x" * JOINED_BYTES)
    assert one.held == 0
    assert await one.receive() == {"type": "http.disconnect"}
