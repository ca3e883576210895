"""One client's connection: HTTP/1.1 by httptools, with bounds on what a client may hold without sending a request.

uvicorn runs the process and the sockets; this stands in for its connection, which costs 10 us a request more, leaves
open how long and how large a request's head may be, and closes on a client that still sends a body nobody wants, so
that the client sees a reset instead of the answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from freehold.errors import FreeholdError
from freehold.http.alarm import Alarm
from freehold.http.bounds import Bounds
from freehold.http.call import Receive, Scope, Send
from freehold.http.errors import respond
from freehold.http.exchange import JOINED_BYTES, STATUS_LINES, Exchange
from freehold.http.routing import dialect_at

_log = logging.getLogger(__name__)

_FRAMING = (b"content-length", b"transfer-encoding")
HELD_BYTES = 1 << 16
"""A body that nobody receives is read no further than this; the rest waits in the kernel and slows its sender."""


class Connection(asyncio.Protocol):
    """A connection under `Bounds`; `count` is told the codes of errors that arise here. uvicorn gives the rest."""

    def __init__(
        self,
        bounds: Bounds,
        count: Callable[[str], None],
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        **_: object,
    ) -> None:
        self._bounds = bounds
        self._count = count
        self._app: Any = config.loaded_app
        self._state = server_state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        # what follows a request that closes the connection is dropped, and must not spoil that request's answer
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._transport: asyncio.Transport
        self._constant: dict[str, Any]
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._in_head = True
        self._bare = 0  # bytes that came since the last head, content of a body, or end of a request
        self._reading: Exchange | None = None  # whose body is arriving
        self._current: Exchange | None = None  # which is being answered
        self._pipeline: deque[Exchange] = deque()
        self._leaving = False
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._alarm = Alarm(self._loop)
        self._dated: list[tuple[bytes, bytes]] = []
        self._date = b""

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # only TCP comes here
        """A client has connected: one too many is told so when it asks."""
        self._transport = transport
        self._constant = _constant_scope(transport)
        connections = self._state.connections
        connections.add(self)  # type: ignore[arg-type] # uvicorn names its own classes; `Listener` calls only `shutdown`
        limit = self._bounds.connections
        if len(connections) > 2 * limit:
            transport.abort()
            return
        if len(connections) > limit:
            self._count("too_many_connections")
            self._app = _refuse_with(FreeholdError("too_many_connections", limit=limit))
        self._alarm.set(self._bounds.head_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._state.connections.discard(self)
        self._alarm.close()
        for exchange in (self._current, self._reading, *self._pipeline):
            if exchange is not None:
                exchange.leave()
        self._pipeline.clear()
        self.resume_writing()
        del self._parser  # it holds this connection, which holds it: nobody should have to wait for the collector

    def data_received(self, data: bytes) -> None:
        """Parse; then look at what a head that is still open has taken so far, or trailers that do not end."""
        self._bare += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._end_with(400, "it cannot be parsed")
            return
        if not (self._in_head or self._reading) or self._transport.is_closing():
            return
        if self._bare > self._bounds.head_bytes:
            what = "head is" if self._in_head else "trailers, or extensions of chunks, are"
            self._end_with(431, f"its {what} larger than {self._bounds.head_bytes} bytes")
        elif self._in_head and not self._alarm.waits_for(self._head_is_late):
            self._alarm.set(self._bounds.head_s, self._head_is_late)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        if self._writable is None:
            self._writable = self._loop.create_future()
            self._stalled = self._loop.call_later(self._bounds.stalled_s, self._transport.abort)

    def resume_writing(self) -> None:
        """The client has caught up."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # httptools' side

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._url, self._headers = b"", []
        self._expects_continue = False
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; a trailer is passed over."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: the app begins, whether or not the body is here."""
        self._in_head = False
        self._bare = 0
        self._alarm.clear()
        version = self._parser.get_http_version()
        raw_path, query = _target(self._url)
        path = raw_path.decode("ascii")
        scope = {
            **self._constant,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }
        exchange = self._reading = Exchange(
            self,
            scope,
            keep_alive=self._parser.should_keep_alive() and not self._parser.should_upgrade(),
            expects_continue=self._expects_continue,
            old=version == "1.0",
        )
        if self._current is None:
            self._begin(exchange)
        else:
            self._pipeline.append(exchange)
            self._pause()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._bare = 0
        if self._reading is not None:
            self._reading.feed(body)
            if self._reading.held > HELD_BYTES:
                self._pause()

    def on_message_complete(self) -> None:
        """The body is complete, wanted or not."""
        self._bare = 0
        if self._parser.should_upgrade():
            return  # only the head is: see `_parse`
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
        exchange.end()
        if exchange.complete:  # it was answered before its body had ended
            self._next(exchange)

    # the exchange's side

    def write(self, pieces: list[bytes]) -> None:
        """Send pieces of an answer: small ones in one buffer, large ones uncopied."""
        if len(pieces[-1]) <= JOINED_BYTES:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    @property
    def congested(self) -> bool:
        """Whether the client has not read what was written."""
        return self._writable is not None

    async def drained(self) -> None:
        """Wait until the client has read enough of what was written."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def consumed(self) -> None:
        """A body was received: there is room for more."""
        if self._paused and not self._pipeline:
            self._paused = False
            self._transport.resume_reading()

    def date(self) -> bytes:
        """The `date` header; uvicorn puts a new list in place each second."""
        headers = self._state.default_headers
        if headers is not self._dated:
            self._dated, self._date = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._date

    def answered(self, exchange: Exchange) -> None:
        """An answer is out; when the request's body is not all in, drain it for a while rather than reset."""
        self._state.total_requests += 1
        if self._transport.is_closing():
            return
        if not exchange.more_body:
            self._next(exchange)
        elif exchange.expects_continue:  # the client waits for a go-ahead that will not come
            self._transport.close()
        else:
            self._alarm.set(self._bounds.linger_s, self._transport.close)
            self.consumed()

    # uvicorn's side

    def shutdown(self) -> None:
        """Close now when idle, else after the answer."""
        self._leaving = True
        if self._current is None:
            self._transport.close()
        else:
            self._current.keep_alive = False

    def _parse(self, data: bytes) -> None:
        """Feed the parser. Raises HttpParserError.

        It stops behind the head of a request that offers another protocol. Java's client offers HTTP/2 with every
        first POST and sends the body all the same: nothing else than HTTP/1.1 is spoken here, so the body is read on
        by a second parser, which sees the headers that frame it and no offer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            framing = [header for header in self._headers if header[0] in _FRAMING]
            head = b"".join(b"%b: %b\r\n" % header for header in framing)
            self._parser = httptools.HttpRequestParser(
                SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
            )
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % head + data[stop.args[0] :])

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        task = self._loop.create_task(self._app(exchange.scope, exchange.receive, exchange.send))
        self._state.tasks.add(task)
        task.add_done_callback(partial(self._ended, exchange))

    def _ended(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        """The app is done with a request. It answers every failure itself: one that comes here is the plumbing's."""
        self._state.tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            _log.error("a request ended without an answer", exc_info=failure)
        if not exchange.complete and not exchange.gone:
            self._transport.close()

    def _next(self, exchange: Exchange) -> None:
        """The exchange is over on both sides: close, begin the next that was pipelined, or wait."""
        if not exchange.keep_alive or self._leaving:
            self._current = None
            self._transport.close()
            return
        if self._pipeline:
            following = self._pipeline.popleft()
            self._begin(following)
            if not self._pipeline:
                self.consumed()
            return
        self._current = None
        self.consumed()
        self._alarm.set(self._bounds.keep_alive_s, self._transport.close)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _head_is_late(self) -> None:
        if self._bare:
            self._end_with(408, f"its head did not arrive within {self._bounds.head_s:g} s")
        else:
            self._transport.close()

    def _end_with(self, status: int, reason: str) -> None:
        """Answer and close. A whole request before what is wrong gets its own answer; one that has begun, no other."""
        self._alarm.clear()
        if self._transport.is_closing():
            return
        self._count("request_malformed")
        current = self._current
        if current is not None and not (current.more_body or current.complete):
            current.keep_alive = False
            return
        if current is None or not current.started:
            self._transport.write(_refusal(self._url, status, reason))
        self._transport.close()


def _refusal(url: bytes, status: int, reason: str) -> bytes:
    """The whole answer to what is no request."""
    body = respond(FreeholdError("request_malformed", reason=reason), dialect_at(url.decode("latin-1"))).body
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINES[status] + head + body


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target. Raises HttpParserError where it is none."""
    if not url.startswith(b"/"):  # a proxy's absolute form, or `*`
        if url == b"*":
            return url, b""
        parsed = httptools.parse_url(url)
        return parsed.path or b"/", parsed.query or b""
    if not url.isascii():
        raise httptools.HttpParserInvalidURLError
    path, _, query = url.partition(b"?")
    return path, query.partition(b"#")[0]


def _constant_scope(transport: asyncio.Transport) -> dict[str, Any]:
    """What the ASGI scopes of all requests of a connection have in common."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
        "server": _address(transport, "sockname"),
        "client": _address(transport, "peername"),
        "root_path": "",
    }


def _address(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    address = transport.get_extra_info(name)
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None


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
