"""A server of HTTP/2 in a thread that echoes bodies, and what a client of frames does with it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from freehold.http import Bounds
from freehold.http.http2 import frames
from freehold.http.http2.connection import Connection
from freehold.http.http2.frames import Flag, Kind
from freehold.http.http2.hpack import encode
from freehold.http.http2.stream import Stream

OPENING = encode(((b":status", b"200"),))


class Peer:
    """A client that sends frames as they are written, and reads those that come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def greet(self) -> "Peer":
        """Begin as HTTP/2 does."""
        self.send(frames.PREFACE + frames.settings({}))
        return self

    def send(self, data: bytes) -> None:
        """Whatever it is."""
        self.socket.sendall(data)

    def ask(self, number: int, body: bytes = b"", *, ended: bool = True) -> None:
        """A request with that body."""
        block = encode(((b":method", b"POST"), (b":path", b"/")))
        self.send(frames.head(len(block), Kind.HEADERS, Flag.END_HEADERS, number) + block)
        self.send(frames.head(len(body), Kind.DATA, Flag.END_STREAM if ended else 0, number) + body)

    def next(self, *kinds: Kind) -> tuple[int, int, int, bytes]:
        """The next frame, of these kinds where some are named: kind, flags, stream, payload. Raises EOFError."""
        while True:
            while len(self._rest) < 9 or len(self._rest) < 9 + int.from_bytes(self._rest[:3], "big"):
                data = self.socket.recv(1 << 16)
                if not data:
                    raise EOFError
                self._rest += data
            size = int.from_bytes(self._rest[:3], "big")
            kind, flags = self._rest[3], self._rest[4]
            number, payload = int.from_bytes(self._rest[5:9], "big"), self._rest[9 : 9 + size]
            self._rest = self._rest[9 + size :]
            if not kinds or kind in kinds:
                return kind, flags, number, payload

    def echoed(self, number: int) -> bytes:
        """The whole body of the answer on that stream."""
        body = b""
        while True:
            kind, flags, of, payload = self.next(Kind.DATA, Kind.HEADERS)
            assert of == number
            body += payload if kind == Kind.DATA else b""
            if flags & Flag.END_STREAM:
                return body


async def echo(stream: Stream) -> None:
    """Answer a body with itself; one that begins with `hold` is read no further, and never answered."""
    body = await stream.read(4)
    if body == b"hold":
        await asyncio.sleep(60)
    body += await stream.read(1 << 20)
    await stream.send(OPENING, body, encode(()))


@pytest.fixture
def peer(request: pytest.FixtureRequest) -> Iterator[Callable[[], Peer]]:
    """`peer()`: one more client of a server that echoes; a parameter is its bounds."""
    bounds: Bounds = getattr(request, "param", Bounds())
    connections: set[Connection] = set()
    started, peers = threading.Event(), []
    found: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []

    async def run() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await loop.create_server(partial(Connection, echo, bounds, connections), "127.0.0.1", 0)
        found.append((loop, ended, server.sockets[0].getsockname()[1]))
        started.set()
        while not ended.is_set():
            await asyncio.sleep(0.02)
            for connection in list(connections):
                connection.look()
        for connection in list(connections):
            connection.abort()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert started.wait(20)
    ((loop, ended, port),) = found

    def one() -> Peer:
        peers.append(Peer(port))
        return peers[-1]

    yield one
    for each in peers:
        each.socket.close()
    loop.call_soon_threadsafe(ended.set)
    thread.join(20)
    assert not thread.is_alive()
