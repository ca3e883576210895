"""One set of routes, three proxies: our gateway, Nginx and Envoy decide alike, and as the pure decision says.

A thousand requests of all kinds go to each over connections that are kept. What is compared is the route, the model
that answers (`variant`) and the status.
"""

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

import pytest

from freehold.config import Config
from freehold.errors import FreeholdError
from freehold.gateway.rendering import envoy as for_envoy
from freehold.gateway.rendering import nginx as for_nginx
from freehold.gateway.rendering.plan import Plan
from freehold.gateway.routing.identify import identify
from freehold.gateway.routing.places import passed_on
from freehold.gateway.routing.table import RouteTable, slot
from freehold.http.errors import STATUS
from freehold.http.routing import Router
from tests.crowd import eventually
from tests.e2e.generated import LIMIT, Asked, kinds, requests
from tests.gateway.rendering.conftest import configured, envoy, free_port, nginx

SEED, COUNT = 20260722, 1000
PIECE = 64 << 10
PLACES = Router((place.method, pattern, place) for pattern, place in passed_on())
MODELS = ("chat-a", "chat-b", "chat-c", "embed-a", "embed-b", "alpha", "alpha-next", "solo", "dotted.1-b_c")
ROUTES = [
    {
        "model": "chat",
        "to": [{"id": "chat-a", "weight": 90}, {"id": "chat-b", "weight": 5}, {"id": "chat-c", "weight": 5}],
    },
    {"model": "embed", "to": [{"id": "embed-a", "weight": 2}, {"id": "embed-b", "weight": 1}]},
    {"model": "alpha", "to": [{"id": "alpha", "weight": 0}, {"id": "alpha-next"}], "fallback": "alpha"},
]
OWNER = {target["id"]: route["model"] for route in ROUTES for target in route["to"]}
"""The only route by which a model of these is asked for here."""


class Outcome(NamedTuple):
    """What became of a request. Only one that is answered has a route and a variant."""

    route: str | None
    variant: str | None
    status: int


def decided(asked: Asked, table: RouteTable) -> Outcome:
    """What the pure decision says."""
    headers = {name.lower().encode(): value.encode() for name, value in asked.headers}
    found = PLACES.find(asked.path)
    if found is None:
        return Outcome(None, None, 404)
    methods, params = found
    if asked.method not in methods:
        return Outcome(None, None, 405)
    if len(asked.body) > LIMIT:
        return Outcome(None, None, 413)
    try:
        name = identify(asked.method, params.get("model"), headers, asked.query.encode(), asked.body)
        if name is None:
            raise FreeholdError("model_not_named", served="")
        route = table.find(name)
        methods[asked.method].there(name, params.get("version"))
    except FreeholdError as error:
        return Outcome(None, None, STATUS[error.kind])
    return Outcome(route.name, route.variant_at(slot(headers[b"x-request-id"])), 200)


class Line:
    """A kept connection to a proxy, made anew where the proxy has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, asked: Asked) -> Outcome:
        """What becomes of the request there."""
        for _ in range(2):  # a proxy may close a connection while a request is on its way there
            try:
                return self._attempt(asked)
            except (OSError, HTTPException):
                self.close()
        raise AssertionError(f"no answer to {asked.kind} {asked.method} {asked.target} {asked.headers}")

    def close(self) -> None:
        """End it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _attempt(self, asked: Asked) -> Outcome:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 20)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_whole = self._send(self._socket, asked)
        answer = HTTPResponse(self._socket, method=asked.method)
        answer.begin()
        content = answer.read()
        if answer.will_close or not is_whole:
            self.close()
        variant = answer.getheader("x-freehold-model") if answer.status == 200 else None
        if variant is not None:
            assert json.loads(content) == {}, content
        return Outcome(None if variant is None else OWNER.get(variant, variant), variant, answer.status)

    def _send(self, connection: socket.socket, asked: Asked) -> bool:
        """Whether all of it was sent: where it is refused before, the rest is not wanted."""
        lines = [f"{asked.method} {asked.target} HTTP/1.1", "host: gateway.test"]
        lines += [f"{name}: {value}" for name, value in asked.headers]
        if asked.chunked:
            lines.append("transfer-encoding: chunked")
        elif asked.body or asked.method != "GET":
            lines.append(f"content-length: {len(asked.body)}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for start in range(0, len(asked.body), PIECE):
            if start and self._is_answered(connection):
                return False
            piece = asked.body[start : start + PIECE]
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if asked.chunked else piece)
        if asked.chunked:
            connection.sendall(b"0\r\n\r\n")
        return True

    def _is_answered(self, connection: socket.socket) -> bool:
        connection.setblocking(False)
        try:
            return bool(connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            connection.settimeout(20)


class Upstream(asyncio.Protocol):
    """Answers everything with an empty object, its list of models apart. `kept` are the open connections."""

    def __init__(self, kept: set[asyncio.Transport]) -> None:
        self._data = bytearray()
        self._kept = kept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._kept.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._kept.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._end()) is not None:
            listed = self._data.startswith(b"GET /v1/models ")
            content = json.dumps({"data": [{"id": name} for name in MODELS]} if listed else {}).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
            self._transport.write(head + content)
            del self._data[:end]

    def _end(self) -> int | None:
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return None
        lines = bytes(self._data[:head]).lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines if b": " in line)
        if fields.get(b"transfer-encoding") == b"chunked":
            last = self._data.find(b"0\r\n\r\n", head + 2)
            return None if last < 0 else last + 5
        end = head + 4 + int(fields.get(b"content-length", 0))
        return end if len(self._data) >= end else None


async def serve(listening: socket.socket, stop: asyncio.Event) -> None:
    kept: set[asyncio.Transport] = set()
    async with await asyncio.get_running_loop().create_server(lambda: Upstream(kept), sock=listening):
        await stop.wait()
        for transport in kept:
            transport.abort()


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The port of a server that has all models."""
    with socket.create_server(("127.0.0.1", 0)) as listening, asyncio.Runner() as runner:
        stop = asyncio.Event()
        thread = threading.Thread(target=runner.run, args=(serve(listening, stop),))
        port = listening.getsockname()[1]
        loop = runner.get_loop()
        thread.start()
        yield port
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def configuration(upstream: int, port: int) -> tuple[Config, dict[str, Any]]:
    """The same for all three, parsed and as in a file."""
    models = [{"id": name, "source": f"http://127.0.0.1:{upstream}/v1"} for name in MODELS]
    plain = {"models": models, "routes": ROUTES, "server": {"port": port}, "access": {"auth": "none"}}
    return configured(port, models=models, routes=ROUTES), plain


@pytest.fixture(scope="module")
def proxies(upstream: int, shared_launch: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of our gateway, an Nginx and an Envoy."""
    with ExitStack() as stack:
        ports = {name: free_port() for name in ("gateway", "nginx", "envoy")}
        node = shared_launch(configuration(upstream, ports["gateway"])[1], "--port", ports["gateway"], verb="gateway")
        for name, render, run in (("nginx", for_nginx.render, nginx), ("envoy", for_envoy.render, envoy)):
            plan = Plan.of(configuration(upstream, ports[name])[0])
            stack.enter_context(run(render(plan).files, tmp_path_factory.mktemp(name), ports[name]))
        eventually(lambda: node.client.get("/readyz").status_code == 200, "the gateway is ready")
        yield ports


def asked_all(port: int, asked: list[Asked]) -> list[Outcome]:
    line = Line(port)
    try:
        return [line.ask(one) for one in asked]
    finally:
        line.close()


def test_gateway_nginx_and_envoy_agree(upstream: int, proxies: dict[str, int]) -> None:
    """For every one of a thousand generated requests, and as the pure decision says."""
    asked = requests(SEED, COUNT)
    table = RouteTable.of(configuration(upstream, 1)[0])
    expected = [decided(one, table) for one in asked]
    with ThreadPoolExecutor(len(proxies)) as pool:
        found = dict(zip(proxies, pool.map(lambda port: asked_all(port, asked), proxies.values()), strict=True))
    differing = [
        f"{one.kind}: {one.method} {one.target} {dict(one.headers)} {one.body[:120]!r}: {wanted} by the pure decision, "
        f"{outcomes[place]} by {name}"
        for place, (one, wanted) in enumerate(zip(asked, expected, strict=True))
        for name, outcomes in found.items()
        if outcomes[place] != wanted
    ]
    assert not differing, f"{len(differing)} differ:\n" + "\n".join(differing[:30])


def test_every_kind_and_every_outcome_is_among_them(upstream: int) -> None:
    """The thousand leave nothing out: kinds, statuses, models with a share."""
    asked = requests(SEED, COUNT)
    table = RouteTable.of(configuration(upstream, 1)[0])
    outcomes = [decided(one, table) for one in asked]
    assert len(asked) == COUNT
    assert {one.kind for one in asked} == set(kinds())
    assert {outcome.status for outcome in outcomes} == {200, 400, 404, 405, 413, 415}
    assert {outcome.variant for outcome in outcomes} - {None} == set(MODELS) - {"alpha"}
    assert Counter(outcome.status for outcome in outcomes)[200] > COUNT / 3
    assert asked == requests(SEED, COUNT)
