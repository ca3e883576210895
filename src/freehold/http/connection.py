"""One client's connection: uvicorn's parser with bounds on what a client may hold without sending a request.

uvicorn leaves open how long and how large a request's head may be, and closes on a client that still sends a body
nobody wants, so that the client sees a reset instead of the answer. This closes both gaps and costs a request nothing:
timers exist only while a head is incomplete or an unwanted body is drained.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from freehold.errors import FreeholdError
from freehold.http.call import Receive, Scope, Send
from freehold.http.errors import respond
from freehold.http.routing import dialect_at


@dataclass(frozen=True, slots=True)
class Bounds:
    """What clients may hold: seconds, bytes, connections."""

    head_s: float = 10.0  # from the first byte of a request to the end of its head
    head_bytes: int = 64 * 1024
    keep_alive_s: int = 75  # longer than the idle time of proxies in front (60 s), so that they close first
    linger_s: float = 5.0  # how long a body that nobody wants is drained after its answer
    connections: int = 4096


class BoundedConnection(HttpToolsProtocol):
    """A connection under `Bounds`; uvicorn gives the other arguments."""

    def __init__(self, bounds: Bounds, **settings: Any) -> None:
        super().__init__(**settings)
        self._bounds = bounds
        self._head_open = True
        self._head_bytes = 0
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        """A client has connected: one too many is told so when it asks."""
        super().connection_made(transport)
        limit = self._bounds.connections
        if len(self.connections) > 2 * limit:
            transport.abort()
            return
        if len(self.connections) > limit:
            self.app = _refuse_with(FreeholdError("too_many_connections", limit=limit))
        self._after(self._bounds.head_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; then look at what a head that is still open has taken so far."""
        super().data_received(data)
        if self._head_open and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self._bounds.head_bytes:
                self._end_with(431, f"its head is larger than {self._bounds.head_bytes} bytes")
            elif self._timer is None:
                self._after(self._bounds.head_s, self._head_is_late)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_open = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_open = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete, wanted or not."""
        super().on_message_complete()
        self._stop_timer()

    def on_response_complete(self) -> None:
        """An answer is out; when the request's body is not all in, drain it for a while rather than reset."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            if self.expect_100_continue:  # the client waits for a go-ahead that will not come
                self.transport.close()
            else:
                self._after(self._bounds.linger_s, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """The parser cannot go on. uvicorn's own answer is plain text."""
        self._end_with(400, "it cannot be parsed")

    def _head_is_late(self) -> None:
        self._timer = None
        if self._head_bytes:
            self._end_with(408, f"its head did not arrive within {self._bounds.head_s:g} s")
        else:
            self.transport.close()

    def _end_with(self, status: int, reason: str) -> None:
        """Answer and close; where an answer has begun already, only close."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            url = getattr(self, "url", b"").decode("latin-1")
            body = respond(FreeholdError("request_malformed", reason=reason), dialect_at(url)).body
            self.transport.write(
                STATUS_LINE[status]
                + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
                + body
            )
        self.transport.close()

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(delay_s, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _refuse_with(error: FreeholdError) -> Callable[[Scope, Receive, Send], Any]:
    """An ASGI app that answers every request with `error` and closes."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        response = respond(error, dialect_at(scope["path"]))
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", b"%d" % len(response.body)),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    return refuse
