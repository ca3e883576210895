"""How a gRPC call is taken in, as `http.App` takes a request in: its id, its key, failures as statuses, counting."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Any, TypeVar

import grpc
import grpc.aio

from freehold.errors import FreeholdError, Kind
from freehold.http import Entrance, MemoryBudget, Right
from freehold.http.errors import GRPC_STATUS, STATUS, respond
from freehold.http.request_ids import RequestIds
from freehold.http.visit import Asked, Headers, Visit
from freehold.telemetry import REQUEST_ID, RouteMetrics, Telemetry, names

T = TypeVar("T")
Context = Any  # grpc.aio.ServicerContext: grpcio publishes no types
Handler = Any  # grpc.RpcMethodHandler

ANSWERED, LEFT = 200, 499
"""The statuses under which HTTP counts what was answered, and what had nobody left to answer."""
LONGEST_TEXT = 2000
"""Characters of an error that are sent: it travels in a header, and clients take 8 KiB of these."""

_log = logging.getLogger(__name__)


class GrpcCall:
    """One call: who asks, and how long its client waits. `path` is its method with its service."""

    __slots__ = ("_context", "_memory", "_metadata", "address", "held", "path", "request_id", "told", "visit")

    def __init__(self, context: Context, path: str, memory: MemoryBudget) -> None:
        self._context = context
        self._memory = memory
        self._metadata: dict[bytes, bytes] | None = None
        self.path = path
        self.address = _address(context.peer())
        self.request_id = ""
        self.held = 0  # bytes of the memory budget that it has taken
        self.visit: Visit | None = None
        """Whose key it came with; None where the door is open."""
        self.told: Headers = ()
        """What its answer tells beside the request id and limits, as trailing metadata."""

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Its metadata, as HTTP's headers are kept: by their lower-case names, the last of each."""
        if self._metadata is None:
            self._metadata = {_bytes(name): _bytes(value) for name, value in self._context.invocation_metadata()}
        return self._metadata

    async def receive(self) -> bytes:
        """Its one message. Raises `message_malformed` where its client ended without one."""
        message: bytes = await self._context.read()
        if message is grpc.aio.EOF:
            raise FreeholdError("message_malformed", message=self.path)
        return message

    async def send(self, message: bytes) -> None:
        """One more message of a stream; waits while its client takes none."""
        await self._context.write(message)

    def following(self) -> "GrpcCall":
        """The next request of the same stream, which is let in, counted and held for itself."""
        one = GrpcCall(self._context, self.path, self._memory)
        one._metadata, one.request_id = self.headers, self.request_id
        return one

    def hold(self, size: int) -> None:
        """Take `size` bytes of the memory budget until it ends. Raises what `MemoryBudget.take` does."""
        self._memory.take(size)
        self.held += size

    def sees(self, model: str) -> bool:
        """Whether there is a model of that name for whoever asks."""
        return self.visit is None or self.visit.sees(model)

    def remaining_s(self) -> float | None:
        """How long its client waits yet, in seconds; None where it set no deadline."""
        left: float | None = self._context.time_remaining()
        return left

    async def while_connected(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`. gRPC itself cancels the task of a call whose client left or waits no longer."""
        return await awaitable

    def end(self, error: FreeholdError | None = None) -> None:
        """Say what goes behind the call's last message: its status, the request id, what is left of limits."""
        headers = self.told
        if self.visit is not None:
            headers += self.visit.headers()
        if error is not None:
            self._context.set_code(getattr(grpc.StatusCode, GRPC_STATUS[error.kind]))
            self._context.set_details(told(error))
            headers += respond(error, "oip").headers
        named = (("x-request-id", self.request_id),)
        self._context.set_trailing_metadata((*named, *((name.decode("ascii"), value) for name, value in headers)))


Answer = Callable[[GrpcCall, bytes], Awaitable[bytes]]
Talk = Callable[[GrpcCall, AsyncIterator[bytes], RouteMetrics], AsyncGenerator[bytes, None]]


class Reception:
    """Takes calls in for every method of a server. Used from the event loop's thread only."""

    def __init__(self, entrance: Entrance | None, telemetry: Telemetry, memory: MemoryBudget, grace_s: float) -> None:
        """`entrance` None leaves the door open; `grace_s` is what a call that is cut short is told."""
        self._entrance = entrance
        self._telemetry = telemetry
        self._memory = memory
        self._grace_s = grace_s
        self._under_way: set[asyncio.Task[Any] | None] = set()
        self._idle: set[asyncio.Task[Any] | None] = set()  # streams that wait for their client
        self._cutting = False
        self.leaving = False
        """Whether the server takes no more requests; what is under way is finished."""
        self._ids = RequestIds()
        telemetry.gauge(names.GRPC_CALLS_IN_FLIGHT, lambda: len(self._under_way))

    def unary(self, path: str, right: Right | None, answer: Answer) -> Handler:
        """The handler of a method with one request and one answer; without a `right` it is public.

        It is a stream of requests to gRPC, which else takes a message in before anybody is asked for a key.
        """
        metrics = self._telemetry.route(path)

        async def handle(_requests: object, context: Context) -> bytes:
            call = self._arrive(context, path)
            with self._ending(call):
                return await self.attend(call, right, metrics, answer)
            return b""  # a status that is not OK is sent without a message

        return grpc.stream_unary_rpc_method_handler(handle)

    def talk(self, path: str, right: Right | None, talk: Talk) -> Handler:
        """The handler of a method with many requests and answers; `talk` has each of its requests attended to."""
        metrics = self._telemetry.route(path)

        async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
            call = self._arrive(context, path)
            with self._ending(call):
                try:
                    self._admit(call, right)  # before anything that it sends is taken in
                except FreeholdError as error:
                    metrics.observe(STATUS[error.kind], 0.0)
                    raise
                async with aclosing(talk(call, requests, metrics)) as answers:
                    async for answer in answers:
                        await call.send(answer)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def attend(
        self, call: GrpcCall, right: Right | None, metrics: RouteMetrics, answer: Answer, body: bytes | None = None
    ) -> bytes:
        """The answer to one request: let in by its key, within the memory budget, and counted however it ends.

        `body` is its message where that was received. Raises what keeps it out, and what `answer` raises.
        """
        began, status = perf_counter(), LEFT
        try:
            self._admit(call, right)
            if call.visit is not None and right is not None:
                await call.visit.begin()
            if body is None:
                body = await call.receive()
            call.hold(len(body))
            answered = await answer(call, body)
            status = ANSWERED
        except FreeholdError as error:
            status = STATUS[error.kind]
            raise
        except Exception:
            status = STATUS[Kind.INTERNAL]
            raise
        finally:
            seconds = perf_counter() - began
            if call.held:
                self._memory.give(call.held)
                call.held = 0
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

    async def next(self, requests: AsyncIterator[bytes]) -> bytes | None:
        """A stream's next request, None behind its last. Raises `shutting_down` once the server leaves."""
        task = asyncio.current_task()
        self._idle.add(task)
        try:
            if not self.leaving:
                return await anext(requests, None)
        except asyncio.CancelledError:
            if not self.leaving:
                raise
        finally:
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

    def _arrive(self, context: Context, path: str) -> GrpcCall:
        call = GrpcCall(context, path, self._memory)
        call.request_id = self._ids.name(call.headers.get(b"x-request-id"))
        REQUEST_ID.set(call.request_id)
        return call

    def _admit(self, call: GrpcCall, right: Right | None) -> None:
        """Give `call` the visit of its key. Raises what keeps it out."""
        if self._entrance is None or self._entrance.is_open:
            return
        asked = Asked(right or "metadata", "POST", call.path, call.request_id, call.address)
        call.visit = self._entrance.stranger(asked) if right is None else self._entrance.admit(call.headers, asked)

    @contextmanager
    def _ending(self, call: GrpcCall) -> Iterator[None]:
        """Whatever happens within, the call ends with a status, unless its client left: there is nobody to tell."""
        task = asyncio.current_task()
        self._under_way.add(task)
        try:
            yield
            call.end()
        except (Exception, asyncio.CancelledError) as failure:
            if isinstance(failure, asyncio.CancelledError) and not self._cutting:
                raise
            call.end(self.explain(failure, call))
        finally:
            self._under_way.discard(task)


def told(error: FreeholdError) -> str:
    """What a client reads of an error: the words of `{"error": ...}` over REST."""
    return f"{error.cause} {error.fix} [{error.code}]"[-LONGEST_TEXT:]


def _cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _address(peer: str) -> str:
    """Where a call came from, of what gRPC says: `ipv4:127.0.0.1:40000`, `ipv6:%5B::1%5D:40000`, `unix:`."""
    scheme, _, place = peer.partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return ""
    return place.rpartition(":")[0].removeprefix("%5B").removesuffix("%5D").strip("[]")
