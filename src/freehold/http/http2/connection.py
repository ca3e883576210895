"""One client's connection over HTTP/2, with bounds on what a client may hold without sending a request.

Of RFC 9113 what a server needs that answers and never pushes. Whoever breaks the protocol loses the connection, with
GOAWAY and the reason; what is merely late or unwanted costs its stream.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from freehold.http.bounds import Bounds
from freehold.http.http2 import frames
from freehold.http.http2.frames import Code, Flag, Http2Error, Kind, Setting
from freehold.http.http2.hpack import Decoder, HpackError
from freehold.http.http2.stream import Stream

STREAMS = 1024
"""Requests of one connection that may be under way."""
RESETS = 4 * STREAMS
"""Requests that a connection may give up between two looks: to begin and to end one costs more here than there."""
ROOM = 1 << 20
"""Bytes that a connection may send ahead of what is read of it, on all its streams."""
PING_AFTER_S = 60.0  # of silence
PONG_WITHIN_S = 20.0

Answer = Callable[[Stream], Coroutine[Any, Any, None]]

_NOT_HTTP2 = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nThis port speaks gRPC.\n"
)


class Connection(asyncio.Protocol):
    """A connection under `Bounds`, one of `all_of_them`; each of its requests is given to `answer` in a task."""

    def __init__(self, answer: Answer, bounds: Bounds, all_of_them: set["Connection"]) -> None:
        self.address = ""
        self.room = self.stream_room = frames.WINDOW
        self.streams: dict[int, Stream] = {}
        self._answer = answer
        self._bounds = bounds
        self._all = all_of_them
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._decoder = Decoder(bounds.head_bytes)
        self._rest = b""
        self._greeted = False
        self._leaving = False
        self._last = 0  # number of the newest stream
        self._resets = 0  # requests that its client gave up since the last look
        self._came = 0  # bytes that were read, or dropped, and not acknowledged yet
        self._credit = frames.WINDOW  # bytes that its client may still send
        self._head: tuple[int, int, bytearray] | None = None  # stream and flags of a block of headers that is not whole
        self.paused = False
        self._writers: set[asyncio.Future[None]] = set()
        self._heard = self._moved = self._loop.time()
        self._pinged = False

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # only TCP comes here
        """A client has connected; one too many is sent away."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        if len(self._all) >= self._bounds.connections:
            transport.abort()
            return
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it everything that was asked on it."""
        self._all.discard(self)
        for stream in list(self.streams.values()):
            self._drop(stream)
        self._wake()

    def pause_writing(self) -> None:
        """The client reads slower than we write: it is read no further either."""
        self.paused = True
        self._moved = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Take in every frame that is whole."""
        if self._transport.is_closing():
            return  # TLS gives on what comes until its own end
        self._heard, self._pinged = self._loop.time(), False
        if self._rest:
            data = self._rest + data
        try:
            self._rest = data[self._take(data) :]
        except (Http2Error, HpackError) as error:
            self.write(frames.goaway(self._last, error.code, str(error).encode()[:200]))
            self._transport.close()

    # the streams' side

    def write(self, data: bytes) -> None:
        """Send frames."""
        self._transport.write(data)

    def taken(self, size: int) -> None:
        """So many bytes were read of a stream, or dropped: as many more may come."""
        self._came += size
        if self._came >= ROOM // 2:
            self.write(frames.window_update(0, self._came))
            self._credit += self._came
            self._came = 0

    async def writable(self, stream: Stream) -> None:
        """Wait until something may have changed that keeps `stream` from sending."""
        until = self._loop.time() + self._bounds.stalled_s  # also where frames of others wake it
        while not stream.over and (self.paused or min(stream.room, self.room) <= 0):
            waiting = self._loop.create_future()
            self._writers.add(waiting)
            try:
                async with asyncio.timeout_at(until):
                    await waiting
            except TimeoutError:
                self.refuse(stream, Code.CANCEL)
            finally:
                self._writers.discard(waiting)

    def close(self, stream: Stream) -> None:
        """The answer on `stream` is whole. A client that still sends is told to stop."""
        if self.streams.pop(stream.number, None) is not None:
            self.taken(stream.unread())
            if not stream.ended:
                self.write(frames.reset(stream.number, Code.NO_ERROR))
        self._close_if_done()

    def refuse(self, stream: Stream, code: Code) -> None:
        """End `stream` without a whole answer."""
        if self.streams.pop(stream.number, None) is not None:
            self.taken(stream.unread())
            self.write(frames.reset(stream.number, code))
            stream.over = True
        self._close_if_done()

    # the server's side

    def leave(self) -> None:
        """Take no more requests; the connection closes behind the last answer."""
        if not self._leaving:
            self._leaving = True
            self.write(frames.goaway(self._last, Code.NO_ERROR))
        self._close_if_done()

    def abort(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def look(self) -> None:
        """Let go of a client that holds the connection and is not there; called now and then."""
        self._resets = 0
        now, bounds = self._loop.time(), self._bounds
        silence = now - self._heard
        is_unfinished = not self._greeted or self._head is not None
        if (
            silence > PING_AFTER_S + PONG_WITHIN_S
            or (is_unfinished and silence > bounds.head_s)
            or (self.paused and now - self._moved > bounds.stalled_s)
        ):
            self._transport.abort()
        elif silence > PING_AFTER_S and not self._pinged:
            self._pinged = True
            self.write(frames.ping(b"freehold"))

    # frames

    def _take(self, data: bytes) -> int:
        """Where the first frame begins that is not whole yet. Raises Http2Error, HpackError."""
        place, end = 0, len(data)
        if not self._greeted:
            if not data.startswith(frames.PREFACE[:end]):
                self.write(_NOT_HTTP2)
                self._transport.close()
                return end
            if end < len(frames.PREFACE):
                return 0
            place = len(frames.PREFACE)
            self._greet()
        while end - place >= frames.HEAD:
            size = data[place] << 16 | data[place + 1] << 8 | data[place + 2]
            if size > frames.LARGEST_PAYLOAD:
                raise Http2Error(Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            begin = place + frames.HEAD
            if begin + size > end:
                break
            number = int.from_bytes(data[place + 5 : begin], "big") & 0x7FFFFFFF
            self._frame(data[place + 3], data[place + 4], number, data[begin : begin + size])
            place = begin + size
        return place

    def _greet(self) -> None:
        self._greeted = True
        self._credit += ROOM
        own = {Setting.MAX_CONCURRENT_STREAMS: STREAMS, Setting.MAX_HEADER_LIST_SIZE: self._bounds.head_bytes}
        self.write(frames.settings(own) + frames.window_update(0, ROOM))

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._head is not None and (kind != Kind.CONTINUATION or number != self._head[0]):
            raise Http2Error(Code.PROTOCOL_ERROR, "headers that another frame interrupts")
        match kind:
            case Kind.DATA:
                self._data(flags, number, payload)
            case Kind.HEADERS:
                block = frames.unpadded(payload, flags)[5 if flags & Flag.PRIORITY else 0 :]
                if flags & Flag.END_HEADERS:
                    self._begin(flags, number, block)
                else:
                    self._head = number, flags, bytearray(block)
            case Kind.CONTINUATION:
                self._continue(flags, payload)
            case Kind.WINDOW_UPDATE:
                self._more_room(number, frames.read_number(payload))
            case Kind.RST_STREAM:
                self._reset(number, frames.read_number(payload))
            case _ if not flags & Flag.ACK:
                self._of_the_connection(kind, payload)

    def _of_the_connection(self, kind: int, payload: bytes) -> None:
        match kind:
            case Kind.SETTINGS:
                self._set(payload)
            case Kind.PING:
                if len(payload) != 8:
                    raise Http2Error(Code.FRAME_SIZE_ERROR, "PING of a wrong length")
                self.write(frames.ping(payload, ack=True))
            case Kind.PUSH_PROMISE:
                raise Http2Error(Code.PROTOCOL_ERROR, "a client does not push")
            case _:
                pass  # priorities have no meaning here, GOAWAY is followed by a close, others are unknown

    def _continue(self, flags: int, payload: bytes) -> None:
        if self._head is None:
            raise Http2Error(Code.PROTOCOL_ERROR, "CONTINUATION of nothing")
        number, first_flags, block = self._head
        block += payload
        if not payload or len(block) > self._bounds.head_bytes:
            raise Http2Error(Code.ENHANCE_YOUR_CALM, "headers that do not end")
        if flags & Flag.END_HEADERS:
            self._head = None
            self._begin(first_flags, number, bytes(block))

    def _begin(self, flags: int, number: int, block: bytes) -> None:
        """A request, or what follows the body of one."""
        headers = dict(self._decoder.decode(block))
        if not number & 1:
            raise Http2Error(Code.PROTOCOL_ERROR, "a client's streams have odd numbers")
        if number <= self._last:
            if (known := self.streams.get(number)) is not None:
                known.feed(b"", ended=True)
            return
        self._last = number  # also of one that is refused: its body may be on the way
        if self._leaving or len(self.streams) >= STREAMS:
            self.write(frames.reset(number, Code.REFUSED_STREAM))
            return
        stream = self.streams[number] = Stream(self, number, headers, ended=bool(flags & Flag.END_STREAM))
        stream.task = self._loop.create_task(self._answer(stream))

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        self._credit -= len(payload)
        if self._credit < 0:
            raise Http2Error(Code.FLOW_CONTROL_ERROR, "more than the connection has room for")
        stream = self.streams.get(number)
        if stream is None:
            if number > self._last or not number & 1:
                raise Http2Error(Code.PROTOCOL_ERROR, "DATA of a stream that did not begin")
            self.taken(len(payload))  # of one that is over
            return
        body = frames.unpadded(payload, flags)
        self.taken(len(payload) - len(body))
        if not stream.feed(body, len(payload), ended=bool(flags & Flag.END_STREAM)):
            raise Http2Error(Code.FLOW_CONTROL_ERROR, "more than the stream has room for")

    def _more_room(self, number: int, size: int) -> None:
        stream = self.streams.get(number)
        if not size:
            raise Http2Error(Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        if not number:
            self.room += size
        elif stream is not None:
            stream.added += size
        if max(self.room, 0 if stream is None else stream.room) > frames.LARGEST_WINDOW:
            raise Http2Error(Code.FLOW_CONTROL_ERROR, "a window beyond its largest size")
        self._wake()

    def _reset(self, number: int, code: int) -> None:
        if number > self._last or not number & 1:
            raise Http2Error(Code.PROTOCOL_ERROR, "RST_STREAM of a stream that did not begin")
        stream = self.streams.pop(number, None)
        if stream is not None:
            self._drop(stream)
            self._close_if_done()
            self._resets += 1
            if self._resets > RESETS:
                raise Http2Error(Code.ENHANCE_YOUR_CALM, "requests are given up as soon as they begin")

    def _set(self, payload: bytes) -> None:
        for name, value in frames.read_settings(payload):
            if name == Setting.INITIAL_WINDOW_SIZE:
                if value > frames.LARGEST_WINDOW:
                    raise Http2Error(Code.FLOW_CONTROL_ERROR, "a window beyond its largest size")
                self.stream_room = value
        self.write(frames.acknowledged())
        self._wake()

    def _drop(self, stream: Stream) -> None:
        """Its client left."""
        self.taken(stream.unread())
        stream.over = True
        if stream.task is not None:
            stream.task.cancel()

    def _wake(self) -> None:
        writers, self._writers = self._writers, set()  # each is woken once, however many frames come at once
        for waiting in writers:
            if not waiting.done():
                waiting.set_result(None)

    def _close_if_done(self) -> None:
        if self._leaving and not self.streams:
            self._transport.close()
