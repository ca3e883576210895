"""A request passed on to another server, and its answer passed back: byte for byte, as both come.

Only what lies between two connections is changed: headers that belong to one of them, the key, and the model's name
where that server has another. A request that could not be sent, or was refused by a server that is full, is sent to
another replica; one that may have been begun is not sent again.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from freehold.errors import FreeholdError
from freehold.gateway.routing.onward import Headers
from freehold.gateway.upstreams.replica import Replica
from freehold.gateway.upstreams.upstream import Upstream
from freehold.gateway.wire import failures
from freehold.gateway.wire.answer import HELD_BYTES, Answer, UnreachableError, WireError
from freehold.gateway.wire.connection import Connection, request_head
from freehold.gateway.wire.events import Events
from freehold.gateway.wire.pool import Pool, Pools
from freehold.http import Call, ClientLeft, Response, Stream

BUFFERED = 256 << 10
"""Bytes that a request holds here while its answer passes: what one read may bring, and the client's socket buffer."""
RETRY_PAUSE_S = 0.2
REFUSALS = frozenset({429, 503})  # RFC 6585, RFC 9110: it has not done what was asked
LONGEST_REFUSAL = 1 << 20  # bytes of an answer that comes before its request was sent whole

_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade"),
    }
)  # RFC 9110, 7.6.1
_NOT_SENT = _HOP_BY_HOP | {
    *(b"host", b"content-length", b"expect", b"x-request-id"),
    *(b"authorization", b"api-key", b"cookie"),  # who calls here is no business of theirs
    *(b"x-model-id", b"x-freehold-hops", b"content-encoding"),  # `Asking.headers` says what holds there
    b"accept-encoding",  # events can be told apart only in plain text
}
_NOT_RETURNED = _HOP_BY_HOP | {
    *(b"date", b"server", b"x-request-id", b"content-type", b"set-cookie", b"x-freehold-model"),
    *(b"strict-transport-security", b"alt-svc"),  # how clients come here is not for others to say
}
_OF_EVENTS = frozenset({b"cache-control", b"x-accel-buffering", b"content-length"})  # http writes its own
_EVENT_STREAM = b"text/event-stream"


@dataclass(frozen=True)
class Asking:
    """Where one request goes: `path` below the upstream's URL, and how long each of its bytes may take.

    Requests of one `key` go to one replica, as far as its load allows. `headers`, by lower-case names, stand in place
    of the client's; `query` is what follows the `?`.
    """

    upstream: Upstream
    pools: Pools
    path: str
    silence_s: float
    key: bytes = b""
    headers: Headers = ()
    query: bytes = b""


class Upload:
    """A body that is sent on while it comes. It can be sent once."""

    def __init__(self, begun: bytes, rest: AsyncIterator[bytes], length: int | None) -> None:
        """`length` is that of the whole, where it is known."""
        self.length = length
        self.over = asyncio.Event()
        """No more of it is being sent."""
        self.failure: FreeholdError | ClientLeft | None = None
        """What kept the client's side of it from coming."""
        self._begun = begun
        self._rest = rest
        self._sending: asyncio.Task[None] | None = None

    def start(self, connection: Connection) -> None:
        """Send it while other things are done."""
        self._sending = asyncio.create_task(self._send(connection))

    def stop(self) -> None:
        """Send no more of it."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, connection: Connection) -> None:
        try:
            await connection.send(self._pieces(), chunked=self.length is None)
        except (FreeholdError, ClientLeft) as failure:
            self.failure = failure
        finally:
            self.over.set()

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield self._begun
        async for piece in self._rest:
            yield piece


async def forward(call: Call, asking: Asking, body: bytes | Upload) -> Stream | Response:
    """The upstream's answer to `body`, on its way.

    Raises what admission raises, `upstream_unreachable`, `upstream_slow`, `upstream_cut`, `upstream_garbage`,
    `upstream_key_refused`, and `ClientLeft`.
    """
    upstream = asking.upstream
    with ExitStack() as held:
        held.enter_context(upstream.admission.admit(BUFFERED))
        if isinstance(body, Upload):
            replica, answer = await _send_as_it_comes(call, asking, body, held)
        else:
            sending = _send(asking, lambda replica: _ask(call, asking, replica, body), held)
            replica, answer = await call.while_connected(sending)
        if answer.status in (401, 403):
            raise replica.refuse_key(answer.status)
        if answer.status in failures.REDIRECTIONS:
            raise failures.redirected(upstream.id, answer.status)
        if isinstance(body, Upload) and not body.over.is_set():
            if answer.status >= 400:
                return await _refusal(asking, replica, answer)
            await body.over.wait()  # its end is on the way: nobody accepts what has not come
        if not answer.complete and _is_short(answer):
            with _told(asking, replica):
                await call.while_connected(answer.ended())
        if answer.complete:
            return _response(answer, answer.taken())
        frames = _relay(asking, replica, answer, held.pop_all())
    await anext(frames)  # begun, so that closing it gives back what it holds, whatever happens first
    left_out = _NOT_RETURNED | _OF_EVENTS if _is_of_events(answer) else _NOT_RETURNED
    return Stream(frames, answer.status, _content_type(answer), tuple(_kept(answer.headers, left_out)))


async def _send(
    asking: Asking,
    attempt: Callable[[Replica], Awaitable[Answer]],
    held: ExitStack,
    again: frozenset[int] = REFUSALS,
) -> tuple[Replica, Answer]:
    """The answer, its head read, and who gives it; `held` then ends both.

    Further attempts go to other replicas; where there is none, to the same a moment later. Statuses in `again` are
    passed on only when no other is left.
    """
    upstream = asking.upstream
    tried: list[Replica] = []
    for left in range(upstream.sharing.retries, -1, -1):
        replica = upstream.pick(asking.key, tried)
        with ExitStack() as taken:
            taken.callback(replica.give_back)
            if replica in tried:
                await asyncio.sleep(RETRY_PAUSE_S)
                tried.clear()
            tried.append(replica)
            try:
                answer = await attempt(replica)
            except WireError as failure:
                replica.broke()
                if not left or not isinstance(failure, UnreachableError):
                    raise failures.before_answer(upstream.id, failure, asking.silence_s) from None
            else:
                taken.callback(_end, replica, answer)
                replica.heard(answer.status)
                if not left or answer.status not in again or not upstream.has_another(tried):
                    held.push(taken.pop_all())
                    return replica, answer
        upstream.metrics.retries.inc()
    raise AssertionError("the last attempt returns or raises")


def _end(replica: Replica, answer: Answer) -> None:
    if answer.complete:
        replica.finished(answer.status)
    answer.close()


async def _ask(call: Call, asking: Asking, replica: Replica, body: bytes) -> Answer:
    pool, head = _head(call, asking, replica, len(body))
    return await pool.ask(head, body, silence_s=asking.silence_s, headless=call.method == "HEAD")


async def _upload(call: Call, asking: Asking, replica: Replica, body: Upload) -> Answer:
    """On a connection of its own: one that had been idle may turn out to be closed, and a body comes once."""
    pool, head = _head(call, asking, replica, body.length)
    connection = await pool.connect()
    answer = connection.announce(head, silence_s=asking.silence_s)
    body.start(connection)
    try:
        await answer.begun()
    except asyncio.CancelledError:
        answer.close()
        raise
    return answer


def _head(call: Call, asking: Asking, replica: Replica, length: int | None) -> tuple[Pool, bytes]:
    pool, target = asking.pools.at(replica.url(asking.path))
    if asking.query:
        target += b"?" + asking.query
    headers = [
        (b"host", pool.host),
        *_kept(call.headers.items(), _NOT_SENT),
        (b"accept-encoding", b"identity"),
        (b"x-request-id", call.request_id.encode("ascii")),
        *asking.headers,
        *((name.encode("ascii"), value.encode("utf-8")) for name, value in asking.upstream.authorization().items()),
    ]
    if length is None:
        headers.append((b"transfer-encoding", b"chunked"))
    elif length or call.method not in ("GET", "HEAD"):
        headers.append((b"content-length", b"%d" % length))
    return pool, request_head(call.method, target, headers)


async def _send_as_it_comes(call: Call, asking: Asking, body: Upload, held: ExitStack) -> tuple[Replica, Answer]:
    """The answer to a body that is still coming; `held` then ends its sending too.

    Meanwhile nobody else may read from the client, so that its departure shows in the body; afterwards it is watched
    as for any other request.
    """
    held.callback(body.stop)
    sending = _send(asking, lambda replica: _upload(call, asking, replica, body), held, again=frozenset())
    asked = asyncio.create_task(sending)
    over = asyncio.create_task(body.over.wait())
    try:
        await asyncio.wait({asked, over}, return_when=asyncio.FIRST_COMPLETED)
        if body.failure is not None:
            raise body.failure
        return await (asked if asked.done() else call.while_connected(asked))
    finally:
        over.cancel()
        asked.cancel()


async def _refusal(asking: Asking, replica: Replica, answer: Answer) -> Response:
    """An answer that came before its request was sent whole: the rest is not sent."""
    content = bytearray()
    with _told(asking, replica):
        while len(content) <= LONGEST_REFUSAL and (piece := await answer.read()):
            content += piece
    return _response(answer, bytes(content))


async def _relay(asking: Asking, replica: Replica, answer: Answer, held: ExitStack) -> AsyncGenerator[bytes, None]:
    """b"" once it has begun, then the answer as it comes; of events, whole ones. `held` is given back at its end."""
    with held:
        yield b""
        with _told(asking, replica):
            if not _is_of_events(answer):
                while piece := await answer.read():
                    yield piece
                return
            if answer.header(b"content-encoding") not in (None, b"identity"):
                raise ValueError("it compresses events, although it is asked not to")
            events = Events()
            while piece := await answer.read():
                if whole := events.feed(piece):
                    yield whole
        if rest := events.rest():
            yield rest


@contextlib.contextmanager
def _told(asking: Asking, replica: Replica) -> Iterator[None]:
    """Tells failures of the connection in our words."""
    try:
        yield
    except (WireError, ValueError) as failure:
        replica.broke()
        raise failures.within_answer(asking.upstream.id, failure, asking.silence_s) from None


def _response(answer: Answer, body: bytes) -> Response:
    """An answer that is here whole."""
    headers = tuple(_kept(answer.headers, _NOT_RETURNED | {b"content-length"}))
    return Response(body, answer.status, _content_type(answer), headers)


def _kept(headers: Iterable[tuple[bytes, bytes]], left_out: frozenset[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """`headers`, names in lower case, without those that are `left_out`, and those that their `connection` names."""
    headers = list(headers)
    for name, value in headers:
        if name == b"connection":
            left_out = left_out | {option.strip() for option in value.lower().split(b",")}
    return [header for header in headers if header[0] not in left_out]


def _is_short(answer: Answer) -> bool:
    """Whether it is worth a wait: its end is near, and whole it costs its client one read."""
    length = answer.header(b"content-length")
    return length is not None and int(length) <= HELD_BYTES and not _is_of_events(answer)


def _is_of_events(answer: Answer) -> bool:
    return _content_type(answer).partition(b";")[0].rstrip().lower() == _EVENT_STREAM


def _content_type(answer: Answer) -> bytes:
    return answer.header(b"content-type") or b"application/octet-stream"
