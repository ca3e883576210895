"""One HTTP request as an endpoint sees it, and the answer it gives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs

import msgspec

from freehold.access import Right
from freehold.errors import FreeholdError
from freehold.http.compression import inflate
from freehold.http.content import Passage
from freehold.http.departures import Departures
from freehold.http.memory import MemoryBudget
from freehold.http.visit import Visit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Awaitable[None]]
Dialect = Literal["openai", "oip", "tei", "plain"]
OnEnd = Callable[[int, float], None]
"""Told how a request ended: the status, 0 for an answer that was cut short, and the seconds that it took in all."""
T = TypeVar("T")

MEGABYTE = 1 << 20
JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
BYTES_A_TOKEN = 4
"""Of a prompt, where nobody has read it: of English text, as a rule of thumb."""
LONGEST_CHAT = 32_768
"""Tokens of a chat that are guessed at most: a body of megabytes has pictures in it, each of a thousand or so."""
_CHATS = ("chat/completions", "responses")
_OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class ClientLeft(Exception):  # noqa: N818 - an event, no error
    """The client closed its connection before it was answered: there is nobody left to answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a request body may cost: bytes (also after decompression) and seconds until its last byte."""

    size: int = 64 * MEGABYTE
    timeout_s: float = 60.0


class Response(msgspec.Struct, frozen=True):
    """An answer that is complete; its length and the request id are added when it is sent."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Stream(msgspec.Struct, frozen=True):
    """An answer that is sent while it is made: each item of `frames` leaves as one chunk.

    `frames` is closed (`aclose`) as soon as its client leaves. What it raises before its first item is answered as any
    other failure; later it becomes a last frame where the content is an event stream.
    """

    frames: AsyncGenerator[bytes, None]
    status: int = 200
    content_type: bytes = EVENT_STREAM
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Call:
    """One request. Made by `App`; an endpoint reads it once."""

    __slots__ = (
        "_body",
        "_departures",
        "_headers",
        "_limits",
        "_memory",
        "_query",
        "_receive",
        "address",
        "held",
        "method",
        "on_end",
        "params",
        "path",
        "query_string",
        "request_id",
        "visit",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        headers: dict[bytes, bytes],
        request_id: str,
        params: dict[str, str],
        limits: BodyLimits,
        memory: MemoryBudget,
        departures: Departures,
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.params = params
        self.request_id = request_id
        client: tuple[str, int] | None = scope.get("client")
        self.address = client[0] if client is not None else ""
        """Whence it came, or the server before us that passed it on; empty for a request of this process."""
        self.visit: Visit | None = None
        """Whose key it came with; None where none is asked for."""
        self.on_end: OnEnd | None = None  # told when the request is over
        self.held = 0  # bytes of the memory budget taken by the body; `App` gives them back
        self.query_string: bytes = scope["query_string"]
        self._query: dict[str, list[str]] | None = None
        self._headers = headers
        self._receive = receive
        self._limits = limits
        self._memory = memory
        self._departures = departures
        self._body: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The value of a header by its lower-case name; the last one where a client sent several."""
        return self._headers.get(name)

    @property
    def announced(self) -> int:
        """Bytes that the body has, as its head says; 0 where that does not say."""
        declared = self._headers.get(b"content-length")
        return 0 if declared is None else int(declared)

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """All headers by their lower-case names, for an endpoint that passes a request on."""
        return self._headers

    @property
    def sees_all(self) -> bool:
        """Whether whoever asks sees every model there is."""
        return self.visit is None or self.visit.sees_all

    @property
    def is_confined(self) -> bool:
        """As `Visit.is_confined`; nobody is where no key is asked for."""
        return self.visit is not None and self.visit.is_confined

    def sees(self, model: str) -> bool:
        """Whether there is a model of that name for whoever asks."""
        return self.visit is None or self.visit.sees(model)

    def guess_tokens(self, size: int) -> int:
        """How many tokens a body of `size` bytes may come to; tensors and sounds have none."""
        if self.path.endswith("/infer") or (self._headers.get(b"content-type") or b"").startswith(b"multipart/"):
            return 0
        tokens = size // BYTES_A_TOKEN
        return min(tokens, LONGEST_CHAT) if self.path.endswith(_CHATS) else tokens

    def query(self, name: str) -> str | None:
        """The first value of a query parameter, percent-decoded; None when it is absent."""
        if self._query is None:
            self._query = parse_qs(self.query_string.decode("latin-1"), keep_blank_values=True)
        values = self._query.get(name)
        return values[0] if values else None

    async def body(self) -> bytes:
        """The whole body, decompressed when it came as gzip or deflate.

        Raises `body_too_large`, `slow_client`, `overloaded` (no memory for it now), `body_encoding_unsupported`,
        `body_encoding_invalid`, and `ClientLeft` when the client goes while it sends.
        """
        if self._body is None:
            body = await self._receive_body()
            encoding = self._headers.get(b"content-encoding")
            if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
                body = await inflate(body, encoding, grow=self._grow)
            self._body = body
        return self._body

    async def packed(self) -> bytes:
        """The whole body as it came, for an endpoint that passes it on; instead of `body`, and it raises the same."""
        if self._body is None:
            self._body = await self._receive_body()
        return self._body

    def replace(self, body: bytes) -> None:
        """Have `body` return this: what was received, changed on the way to an endpoint."""
        self._body = body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, not decompressed and not held, for an endpoint that passes it on; instead of `body`.

        While it comes nothing else may watch for the client's departure (`while_connected`). Raises `body_too_large`,
        `slow_client` and `ClientLeft`.
        """
        declared = self._headers.get(b"content-length")
        if declared is not None and int(declared) > self._limits.size:
            raise self._too_large(f"Content-Length {int(declared)} bytes")
        async for piece in self._arriving(None):
            yield piece

    def overheard(self, passage: Passage) -> None:
        """Have `passage` take the body as it comes, whoever reads it."""
        passage.describe(self._headers)
        receive = self._receive

        async def hear() -> Message:
            message = await receive()
            passage.take(message.get("body", b""))
            return message

        self._receive = hear

    def hold(self, size: int) -> None:
        """Take `size` bytes of the memory budget until the request ends. Raises what `MemoryBudget.take` does."""
        self._memory.take(size)
        self.held += size

    def copied(self, body: bytes, request_id: str, headers: Mapping[bytes, bytes], memory: MemoryBudget) -> "Call":
        """The same request once more: with a body that is here and plain, an id of its own, `headers` beside its own,
        and a client that never leaves. What it holds is taken from `memory`."""
        scope = {"method": self.method, "path": self.path, "query_string": self.query_string}
        plain = {name: value for name, value in self._headers.items() if name not in _OF_THE_BODY}
        copy = Call(
            scope, _nothing, {**plain, **headers}, request_id, self.params, self._limits, memory, self._departures
        )
        copy._body = body
        return copy

    @classmethod
    def own(
        cls,
        path: str,
        body: bytes,
        request_id: str,
        memory: MemoryBudget,
        method: str = "POST",
        headers: Mapping[bytes, bytes] = MappingProxyType({b"content-type": JSON}),
    ) -> "Call":
        """A request that this process itself sends, of JSON unless told; nobody can leave it."""
        scope = {"method": method, "path": path, "query_string": b""}
        call = cls(scope, _nothing, dict(headers), request_id, {}, BodyLimits(), memory, Departures())
        call._body = body
        return call

    async def while_connected(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`, which is cancelled as soon as the client leaves; then raises `ClientLeft`."""
        task = self._departures.enter(self._receive)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._departures.was_departure(task):
                raise ClientLeft from None
            raise
        finally:
            self._departures.leave(task)

    async def _receive_body(self) -> bytes:
        declared = self._headers.get(b"content-length")
        if declared is not None:
            size = int(declared)
            if size > self._limits.size:
                raise self._too_large(f"Content-Length {size} bytes")
        message = _if_ready(self._receive())
        if message is None or message["type"] != "http.request" or message.get("more_body"):
            if declared is not None:
                self._memory.check(size)  # it need not come when there is no room for it
            return await self._receive_slowly(message)
        body: bytes = message["body"]
        self._grow(len(body), len(body))
        return body

    async def _receive_slowly(self, message: Message | None) -> bytes:
        """The body of a request whose end has not arrived yet.

        Memory is held for what has come and not for what was announced, or a few clients that announce much and send
        nothing would shut out all others.
        """
        pieces: list[bytes] = []
        async for piece in self._arriving(message):
            self.hold(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    async def _arriving(self, message: Message | None) -> AsyncIterator[bytes]:
        """The pieces of a body from `message` on, which is None where it has yet to be received.

        What counts against the client is the time that it is waited for, not what is done with a piece.
        """
        loop = asyncio.get_running_loop()
        received, patience_s = 0, self._limits.timeout_s
        while True:
            if message is None:
                begun = loop.time()
                try:
                    async with asyncio.timeout(patience_s):
                        message = await self._receive()
                except TimeoutError:
                    timeout_s = self._limits.timeout_s
                    raise FreeholdError("slow_client", timeout_s=timeout_s, received=received) from None
                patience_s -= loop.time() - begun
            if message["type"] == "http.disconnect":
                raise ClientLeft
            piece: bytes = message.get("body", b"")
            received += len(piece)
            if received > self._limits.size:
                raise self._too_large(f"more than {self._limits.size} bytes came")
            yield piece
            if not message.get("more_body"):
                return
            message = None

    def _grow(self, more: int, total: int) -> None:
        """Account for `more` bytes of a body that has now `total`."""
        if total > self._limits.size:
            raise self._too_large(f"more than {self._limits.size} bytes came")
        self.hold(more)

    def _too_large(self, seen: str) -> FreeholdError:
        return FreeholdError("body_too_large", limit_mb=self._limits.size / MEGABYTE, seen=seen)


async def _nothing() -> Message:
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return] # it never has a result


def _if_ready(receiving: Coroutine[Any, Any, Message]) -> Message | None:
    """What `receiving` returns when it need not wait, else None.

    A small request lies complete in the server's buffer by the time its endpoint runs, so that one step of the
    coroutine ends it. Asking this way first saves the timeout (5 us) that only a body still on its way needs.
    """
    try:
        receiving.send(None)
    except StopIteration as done:
        message: Message = done.value
        return message
    receiving.close()
    return None


Endpoint = Callable[[Call], Awaitable[Response | Stream]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path of the server, and the right that it asks for; `public` ones ask for none, nor for a key.

    `{name}` in the path captures one segment. Raises ValueError where nothing is said of who may call.
    """

    method: str
    path: str
    endpoint: Endpoint
    dialect: Dialect
    right: Right | None = None
    public: bool = False

    def __post_init__(self) -> None:
        if self.public == (self.right is not None):
            raise ValueError(f"{self.method} {self.path}: a route names the right that it asks for, or is public")
