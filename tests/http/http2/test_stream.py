"""One stream: bodies read as they come, answers as their client takes them."""

import asyncio

import pytest

from freehold.http.http2 import frames
from freehold.http.http2.frames import Flag, Kind
from freehold.http.http2.stream import Stream


class Wire:
    """What stands in for a connection: it keeps what is sent."""

    address = "192.0.2.1"

    def __init__(self) -> None:
        self.room = 1 << 20
        self.stream_room = 100
        self.sent = b""
        self.read = 0
        self.closed = self.paused = False
        self.waits = 0

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.sent += data

    def taken(self, size: int) -> None:
        """Count it."""
        self.read += size

    async def writable(self, stream: Stream) -> None:
        """Where there is something to wait for: its client takes what was sent, and two bytes more."""
        if self.paused or min(stream.room, self.room) <= 0:
            self.paused = False
            stream.added += 2
            self.waits += 1

    def close(self, stream: Stream) -> None:
        """The answer is whole."""
        self.closed = True


def frames_of(data: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, flags and payload of each frame."""
    found = []
    while data:
        end = frames.HEAD + int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], data[frames.HEAD : end]))
        data = data[end:]
    return found


@pytest.fixture
def wire() -> Wire:
    """A connection's place."""
    return Wire()


def test_a_body_is_read_by_pieces_of_any_size(wire: Wire) -> None:
    """Waiting for what is lacking, and to the end of the body at most; the connection hears what was read."""

    async def run() -> None:
        stream = Stream(wire, 1, {}, ended=False)
        stream.feed(b"abcdef", 6, ended=False)
        assert stream.has(6)
        assert await stream.read(2) == b"ab"
        reading = asyncio.create_task(stream.read(6))
        await asyncio.sleep(0)
        assert not reading.done()
        stream.feed(b"gh", 2, ended=True)
        assert await reading == b"cdefgh"
        assert await stream.read(5) == b""

    asyncio.run(run())
    assert wire.read == 8


def test_a_client_is_let_to_send_what_is_asked_for(wire: Wire) -> None:
    """What does not fit in its window is allowed for once somebody reads it, and no more than that."""

    async def run() -> None:
        stream = Stream(wire, 3, {}, ended=False)
        reading = asyncio.create_task(stream.read(100_000))
        await asyncio.sleep(0)
        assert wire.sent == frames.window_update(3, 100_000 - frames.WINDOW)
        assert stream.feed(bytes(100_000), 100_000, ended=False)
        assert len(await reading) == 100_000
        assert not stream.feed(b"x", 1, ended=False)

    asyncio.run(run())


def test_what_is_asked_for_is_read_as_it_comes(wire: Wire) -> None:
    """The connection hears of it at once: bodies that wait side by side, each for its rest, would close its window."""

    async def run() -> None:
        stream = Stream(wire, 5, {}, ended=False)
        reading = asyncio.create_task(stream.read(100))
        for _ in range(3):
            await asyncio.sleep(0)
            stream.feed(bytes(30), 30, ended=False)
            await asyncio.sleep(0)
        assert (reading.done(), wire.read) == (False, 90)
        reading.cancel()
        await asyncio.wait([reading])
        assert len(await stream.read(40)) == 40
        stream.feed(bytes(20), 20, ended=True)
        assert (wire.read, stream.unread()) == (90, 20)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "trailers", "room", "expected"),
    [
        (b"abc", b"T", 9, [(Kind.HEADERS, 4, b"H"), (Kind.DATA, 0, b"abc"), (Kind.HEADERS, 5, b"T")]),
        (None, b"T", 9, [(Kind.HEADERS, 5, b"HT")]),
        (b"abc", None, 9, [(Kind.HEADERS, 4, b"H"), (Kind.DATA, 0, b"abc")]),
        (b"abc", b"T", 2, [(1, 4, b"H"), (0, 0, b"ab"), (0, 0, b"c"), (Kind.HEADERS, 5, b"T")]),
        (b"abc", b"T", 0, [(1, 4, b"H"), (0, 0, b"ab"), (0, 0, b"c"), (Kind.HEADERS, 5, b"T")]),
    ],
)
def test_an_answer_is_cut_as_its_client_takes_it(
    wire: Wire, body: bytes | None, trailers: bytes | None, room: int, expected: list[tuple[int, int, bytes]]
) -> None:
    """Headers once, data within the window, trailers last, which end it."""
    wire.stream_room = room
    asyncio.run(Stream(wire, 1, {}, ended=True).send(b"H", body, trailers))
    assert frames_of(wire.sent) == expected
    assert wire.closed == bool(expected[-1][1] & Flag.END_STREAM)


def test_a_client_that_reads_nothing_gets_nothing_more(wire: Wire) -> None:
    """Small answers are held back as large ones are, however wide its windows are."""
    wire.paused = True
    asyncio.run(Stream(wire, 1, {}, ended=True).send(b"H", b"abc", b"T"))
    assert (wire.waits, frames_of(wire.sent)[1:]) == (1, [(Kind.DATA, 0, b"abc"), (Kind.HEADERS, 5, b"T")])


def test_nothing_is_sent_to_who_left(wire: Wire) -> None:
    """Neither begun nor ended."""
    stream = Stream(wire, 1, {}, ended=True)
    stream.over = True
    asyncio.run(stream.send(b"H", b"abc", b"T"))
    assert wire.sent == b""
