"""How a gRPC call is taken in, as `http.App` takes a request in: its id, its key, failures as statuses, counting."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from time import monotonic, perf_counter
from typing import Any, TypeVar

from freehold.errors import FreeholdError, Kind
from freehold.http import BodyLimits, Entrance, MemoryBudget, Right
from freehold.http.errors import GRPC_STATUS, STATUS, respond
from freehold.http.http2.stream import Stream
from freehold.http.request_ids import RequestIds
from freehold.http.visit import Asked, Headers, Visit
from freehold.server.grpc.framing import NOT_GRPC, ending, receive, send, timeout_s
from freehold.telemetry import REQUEST_ID, RouteMetrics, Telemetry, names

T = TypeVar("T")

PUBLIC = BodyLimits(4096, 10.0)
"""What a message may be that needs no key: those of liveness and health are a few bytes, and whoever sends one must not
take of the memory that requests share."""
ANSWERED, LEFT = 200, 499
"""The statuses under which HTTP counts what was answered, and what had nobody left to answer."""
LONGEST_TEXT = 2000
"""Characters of an error that are sent: it travels in a header, and clients take 8 KiB of these."""

_log = logging.getLogger(__name__)


class GrpcCall:
    """One call: who asks, and how long its client waits. `path` is its method with its service."""

    __slots__ = ("_began", "_limits", "_memory", "_stream", "_until", "held", "path", "request_id", "told", "visit")

    def __init__(self, stream: Stream, path: str, memory: MemoryBudget, limits: BodyLimits, request_id: str) -> None:
        self._stream = stream
        self._memory = memory
        self._limits = limits
        allowed = timeout_s(stream.headers.get(b"grpc-timeout"))
        self._began = monotonic()
        self._until = None if allowed is None else self._began + allowed
        self.path = path
        self.request_id = request_id
        self.held = 0  # bytes of the memory budget that it has taken
        self.visit: Visit | None = None
        """Whose key it came with; None where the door is open."""
        self.told: Headers = ()
        """What its answer tells beside the request id and limits, as trailing metadata."""

    @property
    def address(self) -> str:
        """Whence it came."""
        return self._stream.address

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Its metadata, as HTTP's headers are kept: by their lower-case names, the last of each."""
        return self._stream.headers

    async def receive(self, *, idle: bool = False) -> bytes | None:
        """Its next message, held until it ends. Raises as `framing.receive`."""
        return await receive(self._stream, self._limits, self.hold, idle=idle)

    async def send(self, message: bytes | None, trailers: bytes | None = None) -> None:
        """As `framing.send`."""
        await send(self._stream, message, trailers)

    def following(self) -> "GrpcCall":
        """The next request of the same stream, which is let in, counted and held for itself."""
        return GrpcCall(self._stream, self.path, self._memory, self._limits, self.request_id)

    def hold(self, size: int) -> None:
        """Take `size` bytes of the memory budget until it ends. Raises what `MemoryBudget.take` does."""
        self._memory.take(size)
        self.held += size

    def let_go(self) -> None:
        """Give back what it holds."""
        if self.held:
            self._memory.give(self.held)
            self.held = 0

    def sees(self, model: str) -> bool:
        """Whether there is a model of that name for whoever asks."""
        return self.visit is None or self.visit.sees(model)

    def seconds(self) -> float:
        """How long ago it came."""
        return monotonic() - self._began

    def remaining_s(self) -> float | None:
        """How long its client waits yet, in seconds; None where it set no deadline."""
        return None if self._until is None else max(0.0, self._until - monotonic())

    async def while_connected(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`. The task of a call whose client left is cancelled by its connection."""
        return await awaitable

    def ending(self, error: FreeholdError | None = None) -> bytes:
        """What goes behind the call's last message: its status, the request id, what is left of limits."""
        headers = ((b"x-request-id", self.request_id.encode("ascii")), *self.told)
        if self.visit is not None:
            headers += self.visit.headers()
        if error is None:
            return ending(headers)
        return ending((*headers, *respond(error, "oip").headers), GRPC_STATUS[error.kind], told(error))


Answer = Callable[[GrpcCall, bytes], Awaitable[bytes]]
Talk = Callable[[GrpcCall, RouteMetrics], AsyncGenerator[bytes, None]]
Handler = Callable[[Stream], Coroutine[Any, Any, None]]


class Reception:
    """Takes calls in for every method of a server. Used from the event loop's thread only."""

    def __init__(
        self,
        entrance: Entrance | None,
        telemetry: Telemetry,
        memory: MemoryBudget,
        grace_s: float,
        limits: BodyLimits | None = None,
    ) -> None:
        """`entrance` None leaves the door open; `grace_s` is what a call that is cut short is told."""
        self._entrance = entrance
        self._telemetry = telemetry
        self._memory = memory
        self._grace_s = grace_s
        self._limits = limits or BodyLimits()
        self._handlers: dict[bytes, Handler] = {}
        self._under_way: set[asyncio.Task[Any] | None] = set()
        self._idle: set[asyncio.Task[Any] | None] = set()  # streams that wait for their client
        self._cutting = False
        self.leaving = False
        """Whether the server takes no more requests; what is under way is finished."""
        self._ids = RequestIds()
        telemetry.gauge(names.GRPC_CALLS_IN_FLIGHT, lambda: self.in_flight)

    @property
    def in_flight(self) -> int:
        """Calls that are open."""
        return len(self._under_way)

    async def answer(self, stream: Stream) -> None:
        """Answer one request of a connection, to its end."""
        if not stream.headers.get(b"content-type", b"").startswith(b"application/grpc"):
            await stream.send(NOT_GRPC, None, b"")
            return
        path = stream.headers.get(b":path", b"")
        handler = self._handlers.get(path)
        if handler is not None:
            await handler(stream)
            return
        error = FreeholdError("method_not_offered", method=path.decode("latin-1")[:200])
        self._telemetry.errors.inc(error.code)
        await send(stream, None, ending((), GRPC_STATUS[error.kind], told(error)))

    def offer(self, path: str, right: Right | None, answer: Answer) -> None:
        """Have a method with one request and one answer; without a `right` it is public."""
        metrics = self._telemetry.route(path)

        async def handle(stream: Stream) -> None:
            call = self._arrive(stream, path, right)
            await self._run(call, self.attend(call, right, metrics, answer))

        self._handlers[path.encode()] = handle

    def offer_talk(self, path: str, right: Right | None, talk: Talk) -> None:
        """Have a method with many requests and answers; `talk` has each of its requests attended to."""
        metrics = self._telemetry.route(path)

        async def converse(call: GrpcCall) -> None:
            try:
                self._admit(call, right)  # before anything that it sends is taken in
            except FreeholdError as error:
                metrics.observe(STATUS[error.kind], 0.0)
                raise
            async with aclosing(talk(call, metrics)) as answers:
                async for answer in answers:
                    await call.send(answer)

        async def handle(stream: Stream) -> None:
            call = self._arrive(stream, path, right)
            await self._run(call, converse(call))

        self._handlers[path.encode()] = handle

    async def attend(
        self, call: GrpcCall, right: Right | None, metrics: RouteMetrics, answer: Answer, body: bytes | None = None
    ) -> bytes:
        """The answer to one request: let in by its key, within the memory budget, and counted however it ends.

        `body` is its message where that was received. Raises what keeps it out, and what `answer` raises.
        """
        began, status = perf_counter(), STATUS[Kind.INTERNAL]
        try:
            self._admit(call, right)
            if call.visit is not None and right is not None:
                await call.visit.begin()
            if body is not None:
                call.hold(len(body))
            elif (body := await call.receive()) is None:
                raise FreeholdError("message_malformed", message=call.path)
            content = None if call.visit is None else call.visit.content
            if content is not None:
                content.request.take(body, is_binary=True)
            answered = await answer(call, body)
            if content is not None:
                content.answer.take(answered, is_binary=True)
            status = ANSWERED
        except FreeholdError as error:
            status = STATUS[error.kind]
            raise
        except asyncio.CancelledError:
            status = LEFT
            raise
        finally:
            seconds = perf_counter() - began
            call.let_go()
            if call.visit is not None:
                call.visit.end(status, seconds)
            metrics.observe(status, seconds)
        return answered

    def explain(self, failure: BaseException, call: GrpcCall) -> FreeholdError:
        """What to tell of a failure; it is counted. Unexpected ones show nothing of the inside."""
        if isinstance(failure, FreeholdError):
            error = failure
        elif isinstance(failure, asyncio.CancelledError):
            error = FreeholdError("shutdown_cut", grace_s=self._grace_s)
        else:
            error = FreeholdError("internal", request_id=call.request_id)
        if error.kind is Kind.INTERNAL:
            _log.error("request %s failed", call.request_id, exc_info=failure)
        self._telemetry.errors.inc(error.code)
        if error.kind is Kind.OVERLOADED:
            details = error.details
            self._telemetry.refused.inc(str(details.get("model", "")), str(details.get("reason", error.code)))
        return error

    async def next(self, call: GrpcCall) -> bytes | None:
        """A stream's next request, None behind its last. Raises `shutting_down` once the server leaves, and what
        `GrpcCall.receive` does."""
        task = asyncio.current_task()
        self._idle.add(task)
        try:
            if not self.leaving:
                return await call.receive(idle=True)
        except asyncio.CancelledError:
            if not self.leaving:
                raise
        finally:
            call.let_go()  # who attends to it holds it anew
            self._idle.discard(task)
        raise FreeholdError("shutting_down")

    def leave(self) -> None:
        """Take no more requests, of streams neither."""
        self.leaving = True
        _cancel(self._idle)

    def cut_short(self) -> int:
        """End what is still under way, and how many calls that are; each is told `shutdown_cut`."""
        self._cutting = True
        _cancel(self._under_way)
        return len(self._under_way)

    def _arrive(self, stream: Stream, path: str, right: Right | None) -> GrpcCall:
        request_id = self._ids.name(stream.headers.get(b"x-request-id"))
        REQUEST_ID.set(request_id)
        return GrpcCall(stream, path, self._memory, self._limits if right else PUBLIC, request_id)

    async def _run(self, call: GrpcCall, answering: Awaitable[bytes | None]) -> None:
        """Whatever happens within, the call ends with a status, unless its client left: there is nobody to tell."""
        task = asyncio.current_task()
        self._under_way.add(task)
        try:
            try:
                message = await answering
                trailers = call.ending()
            except (Exception, asyncio.CancelledError) as failure:
                if isinstance(failure, asyncio.CancelledError) and not self._cutting:
                    raise
                message, trailers = None, call.ending(self.explain(failure, call))
            await call.send(message, trailers)
        finally:
            self._under_way.discard(task)

    def _admit(self, call: GrpcCall, right: Right | None) -> None:
        """Give `call` the visit of its key. Raises what keeps it out."""
        if self._entrance is None:
            return
        asked = Asked(right or "metadata", "POST", call.path, call.request_id, call.address)
        enter = self._entrance.look_in if right is None else self._entrance.admit
        call.visit = enter(call.headers, asked)


def told(error: FreeholdError) -> str:
    """What a client reads of an error: the words of `{"error": ...}` over REST."""
    return f"{error.cause} {error.fix} [{error.code}]"[-LONGEST_TEXT:]


def _cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()
