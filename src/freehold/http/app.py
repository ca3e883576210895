"""The ASGI app: finds the endpoint, checks access, turns every failure into an answer, counts."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from time import perf_counter
from typing import NamedTuple

from freehold.access import Right
from freehold.errors import FreeholdError, Kind
from freehold.http.call import (
    BodyLimits,
    Call,
    ClientLeft,
    Dialect,
    Endpoint,
    Message,
    Receive,
    Response,
    Route,
    Scope,
    Send,
    Stream,
)
from freehold.http.departures import Departures
from freehold.http.entrance import Entrance
from freehold.http.errors import respond
from freehold.http.memory import MemoryBudget
from freehold.http.request_ids import RequestIds
from freehold.http.routing import Router, dialect_at
from freehold.http.streaming import Delivery
from freehold.http.visit import Asked, Headers
from freehold.telemetry import REQUEST_ID, RouteMetrics, Telemetry, names

Lifespan = Callable[[], AbstractAsyncContextManager[None]]

_LEFT = Response(b"", status=499)
"""Never sent, since nobody is there: the status under which nginx made it customary to count."""

_log = logging.getLogger(__name__)


class _Bound(NamedTuple):
    """A route with the instruments that count it; without a `right` it is public."""

    endpoint: Endpoint
    dialect: Dialect
    right: Right | None
    metrics: RouteMetrics


class App:
    """An ASGI 3 app over `routes`.

    `entrance` lets requests in by their keys; None leaves the door open. `lifespan` is entered before the first request
    and left after the last one.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        telemetry: Telemetry,
        memory: MemoryBudget,
        entrance: Entrance | None = None,
        body_limits: BodyLimits | None = None,
        lifespan: Lifespan | None = None,
        grace_s: float = 30.0,
        ping_s: float = 10.0,
    ) -> None:
        self._router = Router(
            (route.method, route.path, _Bound(route.endpoint, route.dialect, route.right, telemetry.route(route.path)))
            for route in routes
        )
        self._telemetry = telemetry
        telemetry.gauge(names.REQUESTS_IN_FLIGHT, lambda: self.in_flight)
        telemetry.gauge(names.MEMORY_USED_BYTES, lambda: memory.used)
        telemetry.gauge(names.MEMORY_BUDGET_BYTES, lambda: memory.limit)
        self.in_flight = 0
        self._nowhere = telemetry.route("unmatched")
        self._memory = memory
        self._entrance = entrance
        self._body_limits = body_limits or BodyLimits()
        self._lifespan = lifespan
        self._grace_s = grace_s
        self._ping_s = ping_s
        self._departures = Departures()
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection: an HTTP request, or the server's own lifespan."""
        if scope["type"] != "http":
            await self._live(scope, receive, send)
            return
        began = perf_counter()
        asked = _by_name(scope["headers"])
        request_id = self._ids.name(asked.get(b"x-request-id"))
        REQUEST_ID.set(request_id)
        path: str = scope["raw_path"].decode("latin-1")
        dialect, metrics, call = None, self._nowhere, None
        response: Response | None = None
        delivery: Delivery | None = None
        status = 500
        self.in_flight += 1
        try:
            found = self._router.find(path)
            if found is None:
                raise FreeholdError("path_not_found", path=path)
            methods, params = found
            bound = methods.get(scope["method"]) or _stand_in(methods, scope["method"], path)
            dialect, metrics = bound.dialect, bound.metrics
            call = Call(scope, receive, asked, request_id, params, self._body_limits, self._memory, self._departures)
            if self._entrance is not None:
                await _enter(self._entrance, call, bound.right)
            answer = await bound.endpoint(call)
            if isinstance(answer, Stream):
                own = [(b"x-request-id", request_id.encode("ascii")), *_limits(call)]
                delivery = Delivery(
                    answer, _overheard(send, call, answer), own, ping_s=self._ping_s, headless=call.method == "HEAD"
                )
                await call.while_connected(delivery.run())
            else:
                response = answer
            status = answer.status
        except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001 - the top of every request
            response = self._respond_to(failure, dialect or dialect_at(path), request_id)
            status = response.status
        finally:
            self.in_flight -= 1
            if call is not None:
                begun = delivery is not None and delivery.started
                cut = begun and response not in (None, _LEFT)
                self._let_go(call, None if begun else response, 0 if cut else status, perf_counter() - began)
        ended = status
        if delivery is not None and delivery.started:
            if response is not None and response is not _LEFT:
                status, ended = await delivery.fail(response), 0
            if delivery.first_at:
                metrics.streamed(delivery.first_at - began)
        elif response is not None and response is not _LEFT:
            await _send_whole(send, response, request_id, _limits(call))
        _count(metrics, call, status, ended, perf_counter() - began)

    def count(self, code: str) -> None:
        """Count one error that a client was told."""
        self._telemetry.errors.inc(code)

    def _let_go(self, call: Call, response: Response | None, status: int, seconds: float) -> None:
        """Settle what a request took: memory, and of its key's limits. `response`, an answer that is whole, is sent
        after it, and tells what is left."""
        if call.held:
            self._memory.give(call.held)
        if call.visit is not None:
            if call.visit.content is not None and response is not None:
                call.visit.content.answer.describe(_described(response))
                call.visit.content.answer.take(response.body)
            call.visit.end(status, seconds)

    def _respond_to(self, failure: BaseException, dialect: Dialect, request_id: str) -> Response:
        """What to answer when an endpoint did not end well. Unexpected failures show nothing of the inside."""
        if isinstance(failure, ClientLeft):
            return _LEFT
        if isinstance(failure, FreeholdError):
            error = failure
        elif isinstance(failure, asyncio.CancelledError):
            # only the listener cancels a request, when its grace time is over: the request still gets an answer
            error = FreeholdError("shutdown_cut", grace_s=self._grace_s)
        else:
            error = FreeholdError("internal", request_id=request_id)
        if error.kind is Kind.INTERNAL:
            _log.error("request %s failed", request_id, exc_info=failure)
        self.count(error.code)
        if error.kind is Kind.OVERLOADED:
            details = error.details
            self._telemetry.refused.inc(str(details.get("model", "")), str(details.get("reason", error.code)))
        return respond(error, dialect)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI lifespan: enter the server's own, wait for the end, leave it."""
        if scope["type"] != "lifespan":
            raise RuntimeError(f"Freehold speaks HTTP, not {scope['type']}")
        await receive()
        async with self._lifespan() if self._lifespan is not None else nullcontext():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _enter(entrance: Entrance, call: Call, right: Right | None) -> None:
    """Give `call` its visit. Raises what keeps it out."""
    if right is None:
        asked = Asked("metadata", call.method, call.path, call.request_id, call.address)
        call.visit = entrance.look_in(call.headers, asked)
        return
    asked = Asked(right, call.method, call.path, call.request_id, call.address)
    call.visit = entrance.admit(call.headers, asked)
    if call.visit.content is not None:
        call.overheard(call.visit.content.request)
    await call.visit.begin(call.guess_tokens(call.announced))


def _overheard(send: Send, call: Call, stream: Stream) -> Send:
    """`send`, and whoever keeps the content of requests hears what it has sent."""
    content = None if call.visit is None else call.visit.content
    if content is None:
        return send
    passage = content.answer
    passage.describe(_described(stream))

    async def tell(message: Message) -> None:
        await send(message)
        passage.take(message.get("body", b""))

    return tell


def _described(answer: Response | Stream) -> dict[bytes, bytes]:
    return {**dict(answer.headers), b"content-type": answer.content_type}


def _limits(call: Call | None) -> Headers:
    """What an answer tells of its caller's limits."""
    return () if call is None or call.visit is None else call.visit.headers()


def _count(metrics: RouteMetrics, call: Call | None, status: int, ended: int, seconds: float) -> None:
    metrics.observe(status, seconds)
    if call is not None and call.on_end is not None:
        call.on_end(ended, seconds)


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Of each header the last value; of `connection` all, since the headers that any of them names go no further."""
    found = dict(headers)
    if len(found) < len(headers) and b"connection" in found:
        found[b"connection"] = b", ".join(value for name, value in headers if name == b"connection")
    return found


async def _send_whole(send: Send, response: Response, request_id: str, limits: Headers) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id.encode("ascii")),
        *limits,
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _stand_in(methods: Mapping[str, _Bound], method: str, path: str) -> _Bound:
    """What answers a method that no route of the path declares: HEAD as GET does, OPTIONS, else an error."""
    if method == "HEAD" and "GET" in methods:
        return methods["GET"]
    known = {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}
    allowed = ", ".join(sorted(known))

    async def answer(call: Call) -> Response:
        if call.method == "OPTIONS":
            return Response(b"", status=204, headers=((b"allow", allowed.encode("ascii")),))
        raise FreeholdError("method_not_allowed", path=path, method=method, allowed=allowed)

    sibling = next(iter(methods.values()))
    return _Bound(answer, sibling.dialect, right=None, metrics=sibling.metrics)
