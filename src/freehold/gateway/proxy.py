"""A request passed on to another server, and its answer passed back: byte for byte, as both come.

Only what lies between two connections is changed: headers that belong to one of them, the key, and the model's name
where that server has another. A request that could not be sent, or was refused by a server that is full, is sent to
another replica; one that may have been begun is not sent again.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import aiohttp

from freehold.errors import FreeholdError
from freehold.gateway import failures
from freehold.gateway.events import Events
from freehold.gateway.probe import CONNECT_S
from freehold.gateway.replica import Replica
from freehold.gateway.upstream import Upstream
from freehold.http import Call, ClientLeft, Response, Stream

BUFFERED = 256 << 10
"""Bytes that a request holds here while its answer passes: what aiohttp and the client's socket buffer."""
SLICE = 64 << 10  # bytes of a body that are handed over at a time
RETRY_PAUSE_S = 0.2
REFUSALS = frozenset({429, 503})  # RFC 6585, RFC 9110: it has not done what was asked
LONGEST_REFUSAL = 1 << 20  # bytes of an answer that comes before its request was sent whole

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    }
)  # RFC 9110, 7.6.1
_NOT_SENT = _HOP_BY_HOP | {
    *("host", "content-length", "expect", "x-request-id"),
    *("authorization", "api-key", "cookie"),  # who calls here is no business of theirs
    "content-encoding",  # what was compressed has been unpacked to find the model
    "accept-encoding",  # events can be told apart only in plain text
}
_NOT_RETURNED = _HOP_BY_HOP | {"date", "server", "x-request-id", "content-type", "set-cookie"}
_OF_EVENTS = frozenset({"cache-control", "x-accel-buffering", "content-length"})  # http writes its own
_EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Asking:
    """Where one request goes: `path` below the upstream's URL, and how long each of its bytes may take.

    Requests of one `key` go to one replica, as far as its load allows.
    """

    upstream: Upstream
    session: aiohttp.ClientSession
    path: str
    silence_s: float
    key: bytes = b""


class Upload:
    """A body that is sent on while it comes. It can be sent once."""

    def __init__(self, begun: bytes, rest: AsyncIterator[bytes], length: int | None) -> None:
        """`length` is that of the whole, where it is known."""
        self.length = length
        self.sent = asyncio.Event()
        self.failure: Exception | None = None
        """What kept the client's side of it from coming."""
        self._begun = begun
        self._rest = rest

    async def pieces(self) -> AsyncIterator[bytes]:
        """What has come, then what comes."""
        try:
            for piece in _slices(self._begun):
                yield piece
            async for piece in self._rest:
                if piece:
                    yield piece
        except (FreeholdError, ClientLeft) as failure:
            self.failure = failure
            raise
        finally:
            self.sent.set()


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
            replica, answer = await call.while_connected(_send(call, asking, lambda: _whole(body), len(body), held))
        if answer.status in (401, 403):
            raise replica.refuse_key(answer.status)
        if answer.status in failures.REDIRECTIONS:
            raise failures.redirected(upstream.id, answer.status)
        if isinstance(body, Upload) and not body.sent.is_set():
            if answer.status >= 400:
                return await _refusal(asking, replica, answer)
            await body.sent.wait()  # its end is on the way: nobody accepts what has not come
        frames = _relay(asking, replica, answer, held.pop_all())
    await anext(frames)  # begun, so that closing it gives back what it holds, whatever happens first
    return Stream(frames, answer.status, _content_type(answer), tuple(_returned(answer)))


async def _send(
    call: Call,
    asking: Asking,
    data: Callable[[], bytes | AsyncIterator[bytes]],
    length: int | None,
    held: ExitStack,
    again: frozenset[int] = REFUSALS,
) -> tuple[Replica, aiohttp.ClientResponse]:
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
                answer = await _attempt(call, asking, replica, data(), length)
            except (aiohttp.ClientError, TimeoutError, OSError) as failure:
                replica.broke()
                if not left or not failures.is_of_connecting(failure):
                    raise failures.before_answer(upstream.id, failure, asking.silence_s) from None
            else:
                taken.callback(answer.close)
                replica.heard(answer.status)
                if not left or answer.status not in again or not upstream.has_another(tried):
                    held.push(taken.pop_all())
                    return replica, answer
        upstream.metrics.retries.inc()
    raise AssertionError("the last attempt returns or raises")


async def _attempt(
    call: Call, asking: Asking, replica: Replica, data: bytes | AsyncIterator[bytes], length: int | None
) -> aiohttp.ClientResponse:
    url = replica.url(asking.path)
    if call.query_string:
        url += f"?{call.query_string.decode('latin-1')}"
    headers = {name: value for name, value in _sent(call) if name not in _NOT_SENT}
    headers |= {"X-Request-ID": call.request_id, "Accept-Encoding": "identity", **asking.upstream.authorization()}
    if length is not None:
        headers["Content-Length"] = str(length)
    return await asking.session.request(
        call.method,
        url,
        data=data,
        headers=headers,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=asking.silence_s),
    )


async def _send_as_it_comes(
    call: Call, asking: Asking, body: Upload, held: ExitStack
) -> tuple[Replica, aiohttp.ClientResponse]:
    """The answer to a body that is still coming.

    Meanwhile nobody else may read from the client, so that its departure shows in the body; afterwards it is watched
    as for any other request.
    """
    asked = asyncio.create_task(_send(call, asking, body.pieces, body.length, held, frozenset()))
    sent = asyncio.create_task(body.sent.wait())
    try:
        await asyncio.wait({asked, sent}, return_when=asyncio.FIRST_COMPLETED)
        return await (asked if asked.done() else call.while_connected(asked))
    except FreeholdError:
        if body.failure is not None:
            raise body.failure from None
        raise
    finally:
        sent.cancel()
        asked.cancel()


async def _refusal(asking: Asking, replica: Replica, answer: aiohttp.ClientResponse) -> Response:
    """An answer that came before its request was sent whole: the rest is not sent."""
    content = bytearray()
    with _told(asking, replica):
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > LONGEST_REFUSAL:
                break
    headers = tuple((name, value) for name, value in _returned(answer) if name != b"content-length")
    return Response(bytes(content), answer.status, _content_type(answer), headers)


async def _relay(
    asking: Asking, replica: Replica, answer: aiohttp.ClientResponse, held: ExitStack
) -> AsyncGenerator[bytes, None]:
    """b"" once it has begun, then the answer as it comes; of events, whole ones. `held` is given back at its end."""
    with held:
        yield b""
        events = Events() if answer.content_type == _EVENT_STREAM else None
        with _told(asking, replica):
            async for piece in answer.content.iter_any():
                whole = piece if events is None else events.feed(piece)
                if whole:
                    yield whole
        if events is not None and (rest := events.rest()):
            yield rest


@contextlib.contextmanager
def _told(asking: Asking, replica: Replica) -> Iterator[None]:
    """Tells failures of the connection in our words."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
        replica.broke()
        raise failures.within_answer(asking.upstream.id, failure, asking.silence_s) from None


def _sent(call: Call) -> Iterator[tuple[str, str]]:
    """The request's headers, without those that its own `Connection` header names."""
    named = (call.header(b"connection") or b"").decode("latin-1").lower()
    own = {name.strip() for name in named.split(",")}
    for name, value in call.headers.items():
        text = name.decode("latin-1")
        if text not in own:
            yield text, value.decode("latin-1")


def _returned(answer: aiohttp.ClientResponse) -> Iterator[tuple[bytes, bytes]]:
    left_out = _NOT_RETURNED
    if answer.content_type == _EVENT_STREAM:
        left_out = left_out | _OF_EVENTS
    if "content-encoding" in answer.headers:  # compressed although nobody asked for that, and unpacked here
        left_out = left_out | {"content-encoding", "content-length"}
    for name, value in answer.raw_headers:
        if name.decode("latin-1").lower() not in left_out:
            yield name.lower(), value


def _content_type(answer: aiohttp.ClientResponse) -> bytes:
    types = (value for name, value in answer.raw_headers if name.lower() == b"content-type")
    return next(types, b"application/octet-stream")


def _whole(body: bytes) -> bytes | AsyncIterator[bytes]:
    """A large body in slices: written in one piece it would hold everybody else up."""
    return body if len(body) <= SLICE else _sliced(body)


async def _sliced(body: bytes) -> AsyncIterator[bytes]:
    for piece in _slices(body):
        yield piece


def _slices(body: bytes) -> Iterator[bytes]:
    return (body[start : start + SLICE] for start in range(0, len(body), SLICE))
