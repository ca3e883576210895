"""One request and its answer on a connection: ASGI's `receive` and `send`.

uvicorn's own cycle writes head and body of an answer with two system calls and builds what nobody here reads; a small
tensor's whole computation costs less. This one writes once.
"""

import asyncio
import http
from typing import Protocol

from freehold.http.call import Message, Scope

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in http.HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}
WITHOUT_BODY = frozenset({204, 304})
JOINED_BYTES = 1 << 16
"""Answers up to this size are copied behind their head into one buffer; larger ones are handed over beside it."""


class Wire(Protocol):
    """What an exchange needs of its connection. `congested`: the client has not read what was written."""

    @property
    def congested(self) -> bool: ...
    def write(self, pieces: list[bytes]) -> None: ...
    async def drained(self) -> None: ...
    def answered(self, exchange: "Exchange") -> None: ...
    def consumed(self) -> None: ...
    def date(self) -> bytes: ...


class Exchange:
    """The state of one request. The connection feeds the body; the app gets `scope` and calls `receive` and `send`."""

    __slots__ = (
        "_chunked",
        "_delivered",
        "_head",
        "_headless",
        "_pieces",
        "_waiter",
        "_wire",
        "complete",
        "expects_continue",
        "gone",
        "held",
        "keep_alive",
        "more_body",
        "old",
        "scope",
        "started",
    )

    def __init__(self, wire: Wire, scope: Scope, *, keep_alive: bool, expects_continue: bool, old: bool) -> None:
        self._wire = wire
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.old = old  # HTTP/1.0: no chunks, and keeping alive is said
        self.more_body = True
        self.held = 0  # bytes of the body that wait to be received
        self.started = False
        self.complete = False
        self.gone = False
        self._pieces: list[bytes] = []
        self._delivered = False
        self._head: list[bytes] | None = None
        self._headless = scope["method"] == "HEAD"
        self._chunked = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, piece: bytes) -> None:
        """A piece of the body has arrived; after the answer it is dropped."""
        if not self.complete:
            self._pieces.append(piece)
            self.held += len(piece)
            self._wake()

    def end(self) -> None:
        """The body has arrived whole."""
        self.more_body = False
        self._wake()

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        self._wake()

    async def receive(self) -> Message:
        """ASGI: the body as far as it is here, waiting for its first piece; afterwards the disconnect."""
        if self.expects_continue and self.more_body and not self.complete:
            self.expects_continue = False
            self._wire.write([CONTINUE])
        while not (self.gone or self.complete or (not self._delivered and (self._pieces or not self.more_body))):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.gone or self.complete:
            return DISCONNECT
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self.held = [], 0
        self._delivered = not self.more_body
        self._wire.consumed()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """ASGI: the head is kept until the first piece of the body, so that both leave together."""
        if self.gone:
            return
        if message["type"] == "http.response.start":
            if self._wire.congested:
                await self._wire.drained()  # or pipelined requests would pile answers up that nobody reads
            self._head = self._encode_head(message["status"], message["headers"])
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        pieces, self._head = self._head or [], None
        self.started = True
        if not self._headless:
            if self._chunked:
                if body:
                    pieces += [b"%x\r\n" % len(body), body, b"\r\n"]
                if not more:
                    pieces.append(b"0\r\n\r\n")
            elif body:
                pieces.append(body)
        if pieces:
            self._wire.write(pieces)
        if more:
            await self._wire.drained()
        else:
            self.complete = True
            self._pieces, self.held = [], 0
            self._wake()
            self._wire.answered(self)

    def _encode_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
        bodiless = status in WITHOUT_BODY
        line = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status  # other servers have statuses of their own
        head = [line, self._wire.date()]
        sized = False
        for name, value in headers:
            if name == b"content-length":
                sized = True
                if bodiless:
                    continue
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
                continue
            head += (name, b": ", value, b"\r\n")
        if bodiless:
            self._headless = True
        elif not sized and not self._headless:
            if self.old:
                self.keep_alive = False
            else:
                self._chunked = True
                head.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        elif self.old:
            head.append(b"connection: keep-alive\r\n")
        head.append(b"\r\n")
        return head

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
