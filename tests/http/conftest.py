"""A real App on a real socket of 127.0.0.1, and a client that speaks bytes."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from freehold.errors import FreeholdError
from freehold.http import App, BodyLimits, Bounds, Call, Listener, MemoryBudget, Response, Route, Stream, bind
from freehold.http.tls import Https
from freehold.telemetry import Telemetry

PATIENCE_S = 20.0  # only a broken test waits this long


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. Reads answers one by one, in whatever pieces they come."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: test"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        return self.answer(bodyless=method == "HEAD")

    def answer(self, *, bodyless: bool = False) -> Answer:
        status, headers = self.head()
        length = 0 if bodyless or status in {100, 204} else int(headers["content-length"])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return Answer(status, headers, body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers; of a streamed answer, `chunk` reads the rest."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers

    def chunk(self) -> bytes:
        """The next chunk; the empty one is the last."""
        while b"\r\n" not in self._rest:
            self._more()
        size = int(self._rest.partition(b"\r\n")[0], 16)
        while len(self._rest) < (whole := self._rest.index(b"\r\n") + 2 + size + 2):
            self._more()
        chunk, self._rest = self._rest[whole - size - 2 : whole - 2], self._rest[whole:]
        return chunk

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        with suppress(EOFError):
            while True:
                self._more()
        rest, self._rest = self._rest, b""
        return rest

    def closed(self) -> bool:
        """Waits until the server closes; True when nothing more came."""
        try:
            return self._rest == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def statuses(self) -> list[int]:
        """Reads to the end; the statuses of all answers."""
        with suppress(EOFError, ConnectionResetError):
            while True:
                self._more()
        return [int(line.split()[1]) for line in self._rest.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(f"the server closed after {self._rest!r}")
        self._rest += piece


@dataclass
class Live:
    """A server that runs in a thread, and what its endpoints and tests share."""

    port: int
    listener: Listener
    thread: threading.Thread
    app: App
    telemetry: Telemetry
    memory: MemoryBudget
    clients: list[Client] = field(default_factory=list)

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.listener.should_exit = True
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def connect(self) -> Client:
        client = Client(self.port)
        self.clients.append(client)
        return client

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.connect().ask(method, path, body, **headers)

    def metrics(self) -> str:
        return self.telemetry.exposition()[0].decode()


class House:
    """Endpoints for tests: what they do is in their names."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.cancelled = threading.Event()
        self.closed = threading.Event()  # the frames of a stream were closed, or came to their end
        self.made = 0  # frames of streams
        self._release: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def release(self) -> None:
        """Let the request that waits go on."""
        assert self._release is not None
        loop, event = self._release
        loop.call_soon_threadsafe(event.set)

    async def echo(self, call: Call) -> Response:
        return Response(await call.body())

    async def pass_on(self, call: Call) -> Response:
        """The body without holding it, and how much memory was held meanwhile."""
        size = 0
        async for piece in call.pieces():
            size += len(piece)
            assert call.held == 0
        return Response(json.dumps({"size": size, "type": call.headers[b"content-type"].decode()}).encode())

    async def describe(self, call: Call) -> Response:
        asked = {"path": call.path, "params": call.params, "id": call.request_id, "q": call.query("q")}
        return Response(json.dumps(asked).encode())

    async def fail(self, call: Call) -> Response:
        raise RuntimeError("the inner secret")

    async def overloaded(self, call: Call) -> Response:
        raise FreeholdError(
            "overloaded", model="m", reason="deadline", seen="70 s", limit="50 s", setting="x", retry_after_s=20
        )

    async def wait(self, call: Call) -> Response:
        await call.body()
        release = asyncio.Event()
        self._release = (asyncio.get_running_loop(), release)
        return Response(await call.while_connected(self._turn(release)))

    async def stream(self, call: Call) -> Stream:
        """`before` frames of `size` bytes; `wait` for the release; `fail` as said; `after` frames."""
        content_type = {"content_type": b"audio/mpeg"} if call.query("plain") else {}
        return Stream(self._frames(call), headers=((b"x-own", b"1"),), **content_type)

    async def _frames(self, call: Call) -> AsyncGenerator[bytes, None]:
        release = asyncio.Event()
        self._release = (asyncio.get_running_loop(), release)
        frame = b"data: %b\n\n" % (b"x" * (int(call.query("size") or 9) - 8))
        try:
            for _ in range(int(call.query("before") or 0)):
                self.made += 1
                yield frame
            if call.query("wait"):
                self.waiting.set()
                await release.wait()
            if call.query("fail") == "refused":
                raise FreeholdError("model_loading", model="m")
            if call.query("fail") == "broken":
                raise RuntimeError("the inner secret")
            for _ in range(int(call.query("after") or 0)):
                self.made += 1
                yield frame
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.closed.set()

    async def _turn(self, release: asyncio.Event) -> bytes:
        self.waiting.set()
        try:
            await release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b'"done"'

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v1/echo", self.echo, "openai", "infer"),
            Route("POST", "/v1/pass", self.pass_on, "openai", "infer"),
            Route("GET", "/v1/describe", self.describe, "openai", "metadata"),
            Route("GET", "/livez", self.describe, "plain", public=True),
            Route("GET", "/info", self.describe, "tei", "metadata"),
            Route("POST", "/tei/overloaded", self.overloaded, "tei", "infer"),
            Route("POST", "/v1/overloaded", self.overloaded, "openai", "infer"),
            Route("POST", "/v2/fail", self.fail, "oip", "infer"),
            Route("POST", "/v1/fail", self.fail, "openai", "infer"),
            Route("POST", "/v1/wait", self.wait, "openai", "infer"),
            Route("GET", "/v1/stream", self.stream, "openai", "metadata"),
            Route("GET", "/v2/stream", self.stream, "oip", "metadata"),
            Route("GET", "/v1/answers", self.stream, "openai", "infer"),
            Route("POST", "/v2/models/{model}/infer", self.describe, "oip", "infer"),
            Route("POST", "/v2/models/{model}/versions/{version}/infer", self.describe, "oip", "infer"),
            Route("GET", "/v2/models/{model}", self.describe, "oip", "metadata"),
        ]


@pytest.fixture
def anyio_backend() -> str:
    """Tests that are coroutines run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture
def house() -> House:
    """The endpoints, with the events that they share with a test."""
    return House()


def launch(
    house: House,
    *,
    bounds: Bounds | None = None,
    body_limits: BodyLimits | None = None,
    memory_bytes: int = 1 << 30,
    https: Https | None = None,
    **settings: Any,
) -> Live:
    telemetry, memory = Telemetry("test", process=False), MemoryBudget(memory_bytes)
    app = App(house.routes(), telemetry=telemetry, memory=memory, body_limits=body_limits, **settings)
    ready = threading.Event()
    listener = Listener(
        app, bind("127.0.0.1", 0), bounds=bounds, grace_s=1.0, https=https, on_ready=lambda _: ready.set()
    )
    thread = threading.Thread(target=listener.run_all)
    thread.start()
    assert ready.wait(PATIENCE_S)
    return Live(listener.address.port, listener, thread, app, telemetry, memory)


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """One server with the default settings, for all tests that count nothing and hold nothing."""
    with launch(House()) as shared:
        yield shared


@pytest.fixture
def serving(house: House) -> Iterator[Callable[..., Live]]:
    """Starts servers of `house`: `serving(bounds=..., body_limits=..., memory_bytes=..., entrance=...)`."""
    with ExitStack() as started:
        yield lambda **settings: started.enter_context(launch(house, **settings))


@pytest.fixture
def fresh(serving: Callable[..., Live]) -> Live:
    """A server with the default settings that nobody has asked yet."""
    return serving()


@pytest.fixture
def connect() -> Iterator[Callable[[int], Client]]:
    """Connects to a port of 127.0.0.1."""
    clients: list[Client] = []

    def to(port: int, receive_buffer: int | None = None) -> Client:
        clients.append(Client(port, receive_buffer))
        return clients[-1]

    yield to
    for client in clients:
        client.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds; fails only after a time that no working server needs."""

    def wait(holds: Callable[[], bool]) -> None:
        tick = threading.Event()
        for _ in range(int(PATIENCE_S / 0.01)):
            if holds():
                return
            tick.wait(0.01)
        pytest.fail("it never came true")

    return wait
