"""Our side of HTTP/1.1 to another server: a connection on which one request at a time is answered.

A client library costs more a request than all the rest of a gateway. This one parses with httptools, keeps one timer a
connection and wakes a task once a read, and offers no more than a gateway needs: it follows no redirection, unpacks
nothing and keeps no cookie.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import httptools

from freehold.gateway.wire.answer import (
    HELD_BYTES,
    Answer,
    CutError,
    GarbageError,
    Headers,
    SilenceError,
    StaleError,
    WireError,
)
from freehold.gateway.wire.arrival import has_arrived
from freehold.http import Alarm

HEAD_BYTES = 64 << 10
"""What may come without any content between it: a head, interim answers, trailers, extensions of chunks."""
MOST_HEADERS = 256
SLICE = 64 << 10  # bytes of a body that are handed to the transport at a time


class Connection(asyncio.Protocol):
    """A connection to a server. `spare` is told when it waits for another request, `lost` when it has ended."""

    def __init__(self, spare: Callable[["Connection"], None], lost: Callable[["Connection"], None]) -> None:
        self.idle_since = 0.0  # loop time
        self._spare = spare
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._alarm = Alarm(self._loop)
        self._silence_s = 0.0
        self._used = False  # an answer has come on it
        self._answer: Answer | None = None
        self._headers: Headers = []
        self._size = 0  # bytes of the names and values in them
        self._bare = 0  # bytes that came since the last content
        self._keep_alive = False
        self._surplus = False  # more came than was asked for
        self._sending = False  # a body is on its way, in pieces that others hand over
        self._unsent = memoryview(b"")  # what of a body that is here has still to be handed to the transport
        self._room: asyncio.Future[None] | None = None  # set while the server reads slower than we write

    def ask(self, head: bytes, body: bytes, *, silence_s: float, headless: bool = False) -> Answer:
        """Send a request that is here whole. `silence_s` bounds how long nothing may come, or be accepted."""
        answer = self._begin(silence_s, headless)
        if len(body) <= SLICE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._push()
        self._alarm.set(silence_s, self._is_silent)
        return answer

    def announce(self, head: bytes, *, silence_s: float, headless: bool = False) -> Answer:
        """Send the head of a request whose body `send` brings."""
        answer = self._begin(silence_s, headless)
        self._sending = True
        self._transport.write(head)
        return answer

    async def send(self, pieces: AsyncIterator[bytes], *, chunked: bool) -> None:
        """Send the body as it comes, no faster than it is accepted. Raises what `pieces` raises.

        Ends early when the connection does: what there is to say of that, the answer tells.
        """
        async for piece in pieces:
            for part in _slices(piece):
                if self._transport.is_closing():
                    return
                self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                if self._room is not None:
                    self._alarm.set(self._silence_s, self._is_silent)
                    await self._room
                    self._alarm.clear()  # while the client is waited for, the server may be silent
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._sending = False
        if self._answer is not None:
            self._alarm.set(self._silence_s, self._is_silent)

    def resume(self, answer: Answer) -> None:
        """What `answer` held was taken: there is room for more."""
        if answer is self._answer:
            self._transport.resume_reading()
            self._alarm.set(self._silence_s, self._is_silent)

    def drop(self, answer: Answer) -> None:
        """Nobody waits for `answer` any more."""
        if answer is self._answer:
            self._answer = None
            self.close()

    def close(self) -> None:
        """End it at once; a request that waits for its answer is told."""
        self._end(CutError())

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP or TLS
        """It is connected."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse; a task that waits is woken once, whatever the number of pieces."""
        answer = self._answer
        if answer is None:
            self.close()  # nobody has asked
            return
        self._bare += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._surplus = True
            if not answer.complete:
                self._end(GarbageError(str(error.__context__ or error)))
                return
        if answer.complete:
            self._finish(answer)
        elif self._bare > HEAD_BYTES:
            self._end(GarbageError(f"more than {HEAD_BYTES} bytes came without any content"))
        elif not self._sending and answer.held <= HELD_BYTES:
            self._alarm.set(self._silence_s, self._is_silent)

    def eof_received(self) -> bool:
        """The server has closed its side: of an answer without a length, that is the end."""
        answer = self._answer
        if answer is not None and answer.status and _ends_with_its_connection(answer.headers):
            answer.end()
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        failure = CutError()
        failure.__cause__ = exc  # over TLS it may be the server that refuses our certificate
        self._end(failure)
        del self._parser  # it holds this connection, which holds it: nobody should have to wait for the collector

    def pause_writing(self) -> None:
        """The server reads slower than we write."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """The server has caught up."""
        self._make_room()
        if self._unsent:
            self._alarm.set(self._silence_s, self._is_silent)
            self._push()

    # httptools' side

    def on_message_begin(self) -> None:
        """The first byte of an answer, an interim one's also."""
        self._headers, self._size = [], 0
        if self._answer is None or self._answer.complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or behind the content a trailer, which is passed over."""
        self._headers.append((name.lower(), value))
        self._size += len(name) + len(value)
        if len(self._headers) > MOST_HEADERS or self._size > HEAD_BYTES:
            raise ValueError(f"a head has at most {MOST_HEADERS} headers and {HEAD_BYTES} bytes")

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status = self._parser.get_status_code()
        if status == 101:
            raise ValueError("it changes to another protocol, which nobody asked for")
        answer = self._answer
        if status < 200 or answer is None or answer.complete:
            return
        self._keep_alive = self._parser.should_keep_alive()
        headers, self._headers = self._headers, []
        answer.begin(status, headers)
        if answer.headless:
            answer.end()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._bare = 0
        answer = self._answer
        if answer is None or answer.complete:
            self._surplus = True
        elif answer.feed(body):
            self._transport.pause_reading()
            self._alarm.clear()

    def on_message_complete(self) -> None:
        """The body is complete; an interim answer has none."""
        answer = self._answer
        if answer is not None and answer.status:
            answer.end()

    def _begin(self, silence_s: float, headless: bool) -> Answer:
        self._silence_s = silence_s
        self._bare = 0
        answer = self._answer = Answer(self, headless)
        return answer

    def _push(self) -> None:
        """Hand over slices of a body as long as they are taken: in one piece it would hold everybody else up."""
        while self._unsent and self._room is None and not self._transport.is_closing():
            piece, self._unsent = self._unsent[:SLICE], self._unsent[SLICE:]
            self._transport.write(piece)

    def _finish(self, answer: Answer) -> None:
        """The answer is here: the connection is free, unless either side was not done."""
        self._alarm.clear()
        self._answer = None
        self._used = True
        if not self._keep_alive or self._surplus or self._sending or self._unsent or self._room is not None:
            self.close()
            return
        if answer.headless:
            self._parser = httptools.HttpResponseParser(self)  # this one waits for the body that a GET would have got
        if answer.held > HELD_BYTES:
            self._transport.resume_reading()
        self.idle_since = self._loop.time()
        self._spare(self)

    def _is_silent(self) -> None:
        self._end(SilenceError())

    def _end(self, failure: WireError) -> None:
        self._alarm.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.complete:
            mute = type(failure) is CutError and not self._bare and not answer.status
            if mute and self._used and (self._unsent or not has_arrived(self._transport)):
                failure = StaleError()
            answer.fail(failure)
        self._unsent = memoryview(b"")
        self._transport.abort()
        self._make_room()
        self._lost(self)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request, as it goes over the wire."""
    lines = [method.encode("ascii"), b" ", target, b" HTTP/1.1\r\n"]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _ends_with_its_connection(headers: Headers) -> bool:
    """Whether an answer has no other end (RFC 9112, 6.3)."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        return not codings[-1].rstrip().lower().endswith(b"chunked")
    return all(name != b"content-length" for name, _ in headers)


def _slices(piece: bytes) -> Iterable[bytes]:
    return (piece[start : start + SLICE] for start in range(0, len(piece), SLICE))
