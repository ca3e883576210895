"""The answer of another server to one request, while it comes, and the ways in which it may not."""

import asyncio
from typing import Protocol

Headers = list[tuple[bytes, bytes]]

HELD_BYTES = 64 << 10
"""An answer that nobody reads is read no further than this; the rest waits in the kernel and slows its sender."""


class WireError(Exception):
    """A request got no answer, or not all of one."""


class UnreachableError(WireError):
    """No connection was made, and so nothing of the request has arrived. `__cause__` tells why."""


class SilenceError(WireError):
    """Nothing came for as long as it was waited for."""


class CutError(WireError):
    """The connection ended before the answer did."""


class StaleError(CutError):
    """A connection that had been idle turned out to be closed: the request has not arrived, not whole at least."""


class GarbageError(WireError):
    """What came is not HTTP, or more of it than anyone means to send."""


class Source(Protocol):
    """Where an answer comes from."""

    def resume(self, answer: "Answer") -> None:
        """What `answer` held was taken: there is room for more."""
        ...

    def drop(self, answer: "Answer") -> None:
        """Nobody waits for `answer` any more."""
        ...


class Answer:
    """The answer to one request, from the moment that the request is on its way.

    `status` is 0 until the head has come, and names in `headers` are in lower case. `complete`: all of it has come.
    One task at a time waits for it.
    """

    __slots__ = ("_failure", "_pieces", "_source", "_waiter", "complete", "headers", "headless", "held", "status")

    def __init__(self, source: Source, headless: bool) -> None:
        """`headless`: the request was a HEAD, whose answer has a head alone."""
        self.status = 0
        self.headers: Headers = []
        self.complete = False
        self.headless = headless
        self.held = 0  # bytes that came and have not been taken
        self._source = source
        self._pieces: list[bytes] = []
        self._failure: WireError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Wait for the head. Raises `WireError`."""
        while not self.status:
            await self._news()

    async def ended(self) -> None:
        """Wait until all of it has come, which must fit what is held. Raises `WireError`."""
        while not self.complete:
            await self._news()

    async def read(self) -> bytes:
        """What has come since; b"" at the end. Raises `WireError` behind the last piece that came."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._news()
        return self.taken()

    def taken(self) -> bytes:
        """What has come since, without waiting."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, held, self.held = [], self.held, 0
        if held > HELD_BYTES:
            self._source.resume(self)
        return body

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header by its lower-case name."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    def close(self) -> None:
        """Nobody wants the rest: unless all of it has come, its connection ends."""
        self._source.drop(self)

    # the connection's side

    def begin(self, status: int, headers: Headers) -> None:
        """The head has come."""
        self.status, self.headers = status, headers
        self._wake()

    def feed(self, piece: bytes) -> bool:
        """A piece of the body has come; whether more is held now than should be."""
        self._pieces.append(piece)
        self.held += len(piece)
        self._wake()
        return self.held > HELD_BYTES

    def end(self) -> None:
        """The body has come whole."""
        self.complete = True
        self._wake()

    def fail(self, failure: WireError) -> None:
        """Nothing more will come."""
        self._failure = failure
        self._wake()

    async def _news(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
