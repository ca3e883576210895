"""One request of an HTTP/2 connection, and its answer, as whoever answers it sees them."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from freehold.http.http2 import frames
from freehold.http.http2.frames import LARGEST_PAYLOAD, Flag, Kind


class Line(Protocol):
    """The connection, as its streams use it."""

    address: str
    room: int  # bytes that may be sent on all streams together
    paused: bool  # whether the client reads slower than we write
    stream_room: int  # and on each of them, where nothing of it was used or added

    def write(self, data: bytes) -> None: ...
    def taken(self, size: int) -> None: ...
    async def writable(self, stream: "Stream") -> None: ...
    def close(self, stream: "Stream") -> None: ...


class Stream:
    """A request that has begun. Used from the event loop's thread only, by one task.

    `headers` by their names, the last of each; those that begin with a colon among them.
    """

    __slots__ = (
        "_buffer",
        "_credit",
        "_line",
        "_opened",
        "_told",
        "_waiting",
        "added",
        "ended",
        "headers",
        "number",
        "over",
        "task",
    )

    def __init__(self, line: Line, number: int, headers: Mapping[bytes, bytes], *, ended: bool) -> None:
        """`ended`: its headers are all that there is of it."""
        self.number = number
        self.headers = headers
        self.added = 0
        """Bytes that its client takes beside those that it takes of every stream, less those that it got."""
        self.over = False
        """Nothing more is sent on it: the answer is whole, or its client left."""
        self.ended = ended
        """Whether its client sends no more."""
        self.task: asyncio.Task[None] | None = None
        self._line = line
        self._buffer = bytearray()
        self._credit = frames.WINDOW  # bytes that its client may still send
        self._opened = False  # whether headers were sent
        self._told = 0  # bytes of the buffer that count as read already
        self._waiting: asyncio.Future[None] | None = None

    @property
    def address(self) -> str:
        """Whence it came."""
        return self._line.address

    @property
    def room(self) -> int:
        """Bytes that its client takes now."""
        return self._line.stream_room + self.added

    # whoever answers

    def has(self, size: int) -> bool:
        """Whether `read` need not wait for so much."""
        return len(self._buffer) >= size or self.ended

    async def read(self, size: int) -> bytes:
        """The next `size` bytes of its body; fewer where the body ends before that.

        The client is let to send what is asked for and no more: what nobody reads waits with it. What is asked for is
        read as it comes: bodies that come side by side would else fill the connection's window, each in part.
        """
        buffer = self._buffer
        while len(buffer) < size and not self.ended:
            self._tell(len(buffer))
            lacking = size - len(buffer) - self._credit
            if lacking > 0:
                self._credit += lacking
                self._line.write(frames.window_update(self.number, lacking))
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        found = bytes(buffer) if len(buffer) <= size else bytes(memoryview(buffer)[:size])
        if len(buffer) <= size:
            self._buffer = bytearray()
        else:
            del buffer[:size]
        self._tell(len(found))
        self._told -= len(found)
        return found

    async def send(self, head: bytes, body: bytes | None, trailers: bytes | None) -> None:
        """Send of an answer what is not None: a block of headers (where none was sent yet), data, a last block.

        Waits while the client, or its connection, takes nothing.
        """
        if self.over:
            return
        parts = []
        is_all = not self._opened and body is None and trailers is not None
        if not self._opened:
            self._opened = True
            parts.append(self._block(head + (trailers or b"") if is_all else head, last=is_all))
        if body is not None:
            if self._line.paused or len(body) > min(LARGEST_PAYLOAD, self.room, self._line.room):
                self._line.write(b"".join(parts))
                parts = []
                await self._send_slowly(body)
            else:
                self._spend(len(body))
                parts += (frames.head(len(body), Kind.DATA, 0, self.number), body)
        if self.over:
            return
        if trailers is not None and not is_all:
            parts.append(self._block(trailers, last=True))
        self._line.write(b"".join(parts))
        if trailers is not None:
            self.over = True
            self._line.close(self)

    async def _send_slowly(self, body: bytes) -> None:
        left = memoryview(body)
        while left:
            await self._line.writable(self)
            if self.over:
                return
            size = min(len(left), LARGEST_PAYLOAD, self.room, self._line.room)
            self._spend(size)
            self._line.write(frames.head(size, Kind.DATA, 0, self.number) + left[:size])
            left = left[size:]

    # the connection

    def feed(self, body: bytes, size: int = 0, *, ended: bool) -> bool:
        """More of its body came, `size` bytes of it with padding; False where that is more than it may be."""
        self._credit -= size
        self._buffer += body
        self.ended = self.ended or ended
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        return self._credit >= 0

    def unread(self) -> int:
        """How many bytes were not read, now that nobody will; they are dropped."""
        size = len(self._buffer) - self._told
        self._buffer, self._told = bytearray(), 0
        return size

    def _tell(self, count: int) -> None:
        """Let the connection know that the first `count` bytes of what came are read."""
        if count > self._told:
            self._line.taken(count - self._told)
            self._told = count

    def _spend(self, size: int) -> None:
        self.added -= size
        self._line.room -= size

    def _block(self, block: bytes, *, last: bool) -> bytes:
        flags = Flag.END_HEADERS | Flag.END_STREAM if last else Flag.END_HEADERS
        return frames.head(len(block), Kind.HEADERS, flags, self.number) + block
