"""Connections over HTTP/2: what is answered, what costs a stream, what costs the connection, and who is let go."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.http import Bounds
from freehold.http.http2 import connection, frames
from freehold.http.http2.frames import Code, Flag, Kind, Setting
from freehold.http.http2.hpack import encode
from tests.http.http2.conftest import Peer, echo

NewPeer = Callable[[], Peer]
HEAD = encode(((b":method", b"POST"), (b":path", b"/")))


def headers(flags: int, number: int = 1, block: bytes = HEAD) -> bytes:
    """A frame that begins a request."""
    return frames.head(len(block), Kind.HEADERS, flags, number) + block


def data(size: int, number: int = 1) -> bytes:
    """DATA of so many bytes."""
    return frames.head(size, Kind.DATA, 0, number) + (b"hold" * size)[:size]


def number32(value: int) -> bytes:
    """What WINDOW_UPDATE and RST_STREAM carry."""
    return value.to_bytes(4, "big")


class Recording(asyncio.Transport):
    """A connection to nobody, that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.sent += data

    def close(self) -> None:
        """It is over."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it is."""
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nobody is known."""
        return default


def test_requests_are_answered_side_by_side(peer: NewPeer) -> None:
    """One that waits keeps nobody else waiting; each answer on the stream of its request."""
    client = peer().greet()
    client.ask(1, b"hold")
    for number in (3, 5):
        client.ask(number, b"abc" * number)
        assert client.echoed(number) == b"abc" * number


def test_a_frame_may_come_byte_by_byte(peer: NewPeer) -> None:
    """However TCP cuts it."""
    client = peer()
    for byte in frames.PREFACE + frames.settings({}) + headers(Flag.END_HEADERS) + data(3):
        client.send(bytes((byte,)))
    client.send(frames.head(0, Kind.DATA, Flag.END_STREAM, 1))
    assert client.echoed(1) == b"hol"


def test_padding_priorities_and_continuations_are_read_past(peer: NewPeer) -> None:
    """What old clients send; kinds that nobody knows are passed over."""
    client = peer().greet()
    block = b"\x02" + bytes(5) + HEAD[:4] + b"\0\0"
    client.send(frames.head(len(block), Kind.HEADERS, Flag.PADDED | Flag.PRIORITY, 1) + block)
    client.send(frames.head(len(HEAD) - 4, Kind.CONTINUATION, Flag.END_HEADERS, 1) + HEAD[4:])
    client.send(frames.head(5, Kind.PRIORITY, 0, 1) + bytes(5) + frames.head(1, 0x77, 0, 0) + b"?")
    client.send(frames.head(5, Kind.DATA, Flag.PADDED | Flag.END_STREAM, 1) + b"\x02ab\0\0")
    assert client.echoed(1) == b"ab"


def test_pings_and_settings_are_acknowledged(peer: NewPeer) -> None:
    """With what came."""
    client = peer().greet()
    client.send(frames.ping(b"12345678"))
    assert client.next(Kind.PING) == (Kind.PING, Flag.ACK, 0, b"12345678")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (headers(0) + headers(Flag.END_HEADERS, 3), Code.PROTOCOL_ERROR),
        (headers(0) + frames.head(0, Kind.CONTINUATION, 0, 1), Code.ENHANCE_YOUR_CALM),
        (frames.head(0, Kind.CONTINUATION, 0, 1), Code.PROTOCOL_ERROR),
        (headers(Flag.END_HEADERS, 2), Code.PROTOCOL_ERROR),
        (headers(Flag.END_HEADERS, block=b"\x80"), Code.COMPRESSION_ERROR),
        (headers(Flag.END_HEADERS | Flag.PADDED, block=b"\xff"), Code.PROTOCOL_ERROR),
        (data(1), Code.PROTOCOL_ERROR),
        (headers(Flag.END_HEADERS) + data(4) + data(16_384) * 4, Code.FLOW_CONTROL_ERROR),
        (frames.head(16_385, Kind.DATA, 0, 1), Code.FRAME_SIZE_ERROR),
        (frames.head(4, Kind.WINDOW_UPDATE, 0, 0) + number32(0), Code.PROTOCOL_ERROR),
        (frames.head(4, Kind.WINDOW_UPDATE, 0, 0) + number32(2**31 - 1), Code.FLOW_CONTROL_ERROR),
        (frames.head(3, Kind.WINDOW_UPDATE, 0, 0) + bytes(3), Code.FRAME_SIZE_ERROR),
        (frames.head(4, Kind.RST_STREAM, 0, 9) + number32(8), Code.PROTOCOL_ERROR),
        (frames.head(5, Kind.SETTINGS, 0, 0) + bytes(5), Code.FRAME_SIZE_ERROR),
        (frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**31}), Code.FLOW_CONTROL_ERROR),
        (frames.head(7, Kind.PING, 0, 0) + bytes(7), Code.FRAME_SIZE_ERROR),
        (frames.head(4, Kind.PUSH_PROMISE, 0, 1) + bytes(4), Code.PROTOCOL_ERROR),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else "",
)
def test_who_breaks_the_protocol_is_told_and_left(peer: NewPeer, wrong: bytes, code: Code) -> None:
    """GOAWAY with the code that the standard has for it; others go on."""
    client, other = peer().greet(), peer().greet()
    client.send(wrong)
    assert int.from_bytes(client.next(Kind.GOAWAY)[3][4:8], "big") == code
    with pytest.raises((EOFError, ConnectionResetError)):
        client.next(Kind.DATA)
    other.ask(1, b"well")
    assert other.echoed(1) == b"well"


def test_headers_without_an_end_cost_the_connection(peer: NewPeer) -> None:
    """No more of them is kept than a head may have."""
    client = peer().greet()
    client.send(headers(0) + (frames.head(16_000, Kind.CONTINUATION, 0, 1) + bytes(16_000)) * 5)
    assert int.from_bytes(client.next(Kind.GOAWAY)[3][4:8], "big") == Code.ENHANCE_YOUR_CALM


def test_a_client_that_takes_nothing_keeps_the_answer_waiting(peer: NewPeer) -> None:
    """Its window is respected to the byte, and what opens it is enough, whichever way."""
    client = peer()
    client.send(frames.PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    client.ask(1, b"0123456789")
    assert client.next(Kind.DATA)[3] == b"012"
    client.send(frames.window_update(1, 2))
    assert client.next(Kind.DATA)[3] == b"34"
    client.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 100}))
    assert client.echoed(1) == b"56789"


def test_a_stream_that_its_client_ends_is_over(peer: NewPeer) -> None:
    """Its task is cancelled; what is sent of it later is passed over."""
    client = peer().greet()
    for number in (1, 3, 5):
        client.ask(number, b"hold")
        client.send(frames.reset(number, Code.CANCEL) + data(10, number))
    client.ask(7, b"next")
    assert client.echoed(7) == b"next"


def test_windows_are_opened_for_what_is_read(peer: NewPeer) -> None:
    """Far more than one window of a connection comes through it, either way."""
    client = peer().greet()
    body = bytes(range(250)) * 64
    for number in range(1, 201, 2):
        client.send(frames.window_update(0, len(body)))
        client.ask(number, body)
        assert client.echoed(number) == body


@pytest.mark.parametrize("peer", [Bounds(connections=2)], indirect=True)
def test_one_connection_too_many_is_closed(peer: NewPeer) -> None:
    """Those that are there stay."""
    clients = [peer().greet() for _ in range(2)]
    for client in clients:
        client.ask(1, b"x")
        assert client.echoed(1) == b"x"
    with pytest.raises((EOFError, ConnectionError)):
        peer().greet().next(Kind.GOAWAY)


@pytest.mark.parametrize("peer", [Bounds(head_s=0.1)], indirect=True)
def test_who_does_not_begin_or_end_a_head_is_let_go(peer: NewPeer) -> None:
    """A connection without a word, and headers that are not ended."""
    silent, unfinished, fine = peer(), peer().greet(), peer().greet()
    unfinished.send(headers(0))
    for client in (silent, unfinished):
        with pytest.raises((EOFError, ConnectionError)):
            client.next(Kind.GOAWAY)
    fine.ask(1, b"x")
    assert fine.echoed(1) == b"x"


@pytest.mark.parametrize("peer", [Bounds(stalled_s=0.1)], indirect=True)
def test_an_answer_that_nobody_takes_is_given_up(peer: NewPeer) -> None:
    """Its stream is reset; the connection is good for others."""
    client = peer()
    client.send(frames.PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 1}))
    client.ask(1, b"abc")
    assert client.next(Kind.RST_STREAM)[2] == 1
    client.ask(3, b"d")
    assert client.echoed(3) == b"d"


@pytest.mark.parametrize("peer", [Bounds(stalled_s=0.1)], indirect=True)
def test_frames_of_other_streams_prolong_no_wait(peer: NewPeer) -> None:
    """An answer that nobody takes is given up while the connection lives."""
    client = peer()
    client.send(frames.PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 1}))
    client.ask(1, b"abc")
    for _ in range(40):
        client.send(frames.window_update(0, 1))
        time.sleep(0.01)
    client.send(frames.ping(b"the last"))
    assert client.next(Kind.RST_STREAM, Kind.PING)[2] == 1


def test_a_request_that_comes_too_late_ends_no_other() -> None:
    """Its client has not read that the server leaves, and sends the body of what is refused."""
    line = Recording()

    async def run() -> None:
        one = connection.Connection(echo, Bounds(), set())
        one.connection_made(line)
        one.data_received(frames.PREFACE + headers(Flag.END_HEADERS))
        one.leave()
        late = headers(Flag.END_HEADERS, 3) + data(10, 3) + frames.reset(3, Code.CANCEL)
        one.data_received(late)
        assert frames.reset(3, Code.REFUSED_STREAM) in line.sent
        assert not line.closed
        one.connection_lost(None)
        await asyncio.sleep(0)

    asyncio.run(run())


def test_who_broke_the_protocol_is_not_heard_any_more() -> None:
    """Over TLS data goes on coming until the connection's own end."""
    line = Recording()

    async def run() -> None:
        one = connection.Connection(echo, Bounds(), set())
        one.connection_made(line)
        one.data_received(frames.PREFACE + frames.head(1, Kind.PING, 0, 0) + b"x")
        assert line.closed
        one.data_received(headers(Flag.END_HEADERS))
        assert not one.streams
        one.connection_lost(None)

    asyncio.run(run())


def test_requests_that_are_only_begun_cost_the_connection(peer: NewPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known as rapid reset (CVE-2023-44487): each costs its client a few bytes."""
    monkeypatch.setattr(connection, "RESETS", 50)
    client = peer().greet()
    numbers = range(1, 103, 2)
    client.send(b"".join(headers(Flag.END_HEADERS, one) + frames.reset(one, Code.CANCEL) for one in numbers))
    assert int.from_bytes(client.next(Kind.GOAWAY)[3][4:8], "big") == Code.ENHANCE_YOUR_CALM


KINDS = st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 5))


@given(st.binary(max_size=40), st.lists(KINDS, max_size=6))
def test_no_frames_do_harm(payload: bytes, kinds: list[tuple[int, int, int]]) -> None:
    """Whatever follows the greeting, it is answered or the connection is closed; nothing is raised."""

    async def run() -> None:
        one = connection.Connection(echo, Bounds(), set())
        one.connection_made(Recording())
        wire = b"".join(frames.head(len(payload), kind, flags, number) + payload for kind, flags, number in kinds)
        one.data_received(frames.PREFACE + headers(Flag.END_HEADERS) + wire)
        await asyncio.sleep(0)
        one.connection_lost(None)
        await asyncio.sleep(0)

    asyncio.run(run())
