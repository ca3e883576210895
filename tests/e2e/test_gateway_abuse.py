"""What clients may try with a gateway, and servers that get copies: hold it, smuggle through it, fill it, leave."""

import http.client
import json
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.gateway.conftest import Unruly

CLIENTS = 1000
MOST_MB = 24  # that a second wave of clients may leave behind: nothing leaks, but allocators keep pages
PATIENCE_S = 30.0
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
BODY = b'{"model": "theirs"}'
SIZED = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n"
BULK = {
    "kind": "stream",
    "content_type": "application/octet-stream",
    "chunks": ["x" * 65536],
    "times": 100_000,
    "pause": 0,
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Unruly]]:
    """`theirs` does what it is asked; `bulky` answers everything with six gigabytes."""
    with ExitStack() as stack:
        found = {"theirs": Unruly(models=[{"id": "theirs"}]), "bulky": Unruly(models=[{"id": "bulky"}], behave=BULK)}
        for one in found.values():
            stack.callback(one.stop)
        yield found


@pytest.fixture(scope="module")
def gateway(shared_launch: Any, servers: dict[str, Unruly]) -> Any:
    """Bodies up to 1 MiB, within a second."""
    config = {
        "models": [{"id": name, "source": one.url} for name, one in servers.items()],
        "routes": [{"model": "copied", "to": [{"id": "theirs"}], "shadow": "bulky"}],
        "gateway": {"body_mb": 1},
        "server": {"body_timeout_s": 1},
    }
    return shared_launch(config, verb="gateway")


@pytest.fixture(scope="module", autouse=True)
def lorises(gateway: Any) -> Iterator[list[socket.socket]]:
    """Clients that began a head, or a body, when these tests began."""
    with connected(gateway) as head, connected(gateway) as body:
        head.sendall(HEAD)
        body.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + BODY)
        yield [head, body]


def connected(node: Any) -> socket.socket:
    return socket.create_connection(node.address, PATIENCE_S)


def answered(client: socket.socket) -> tuple[int, str]:
    """The status of the one answer that comes until the connection is closed, and its error's code."""
    data = b""
    while piece := client.recv(65536):
        data += piece
    assert data.count(b"\r\n\r\n") == 1, data
    return int(data.split()[1]), json.loads(data.partition(b"\r\n\r\n")[2])["error"]["code"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + SIZED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + SIZED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + SIZED + b"Content-Length: 1\r\n\r\n" + BODY + SMUGGLED,
        HEAD + b"Content-Length: 19, 19\r\n\r\n" + BODY + SMUGGLED,
        HEAD + b"Content-Length: +19\r\n\r\n" + BODY + SMUGGLED,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n10000000000000000\r\n" + BODY,
        HEAD + CHUNKED + b"\r\n0\nX: 1\n\n" + SMUGGLED,
        HEAD + CHUNKED + b"\r\n0\r\nContent-Length: 1\r\n\r\n" + SMUGGLED,
        HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + SIZED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
        HEAD + b"X-Model-ID: theirs\rX-Own: 1\r\n" + SIZED + b"\r\n" + BODY,
        HEAD + b"X-Model-ID: theirs\nX-Own: 1\r\n" + SIZED + b"\r\n" + BODY,
        HEAD + b"X-Model-ID: theirs\r\n X-Own: 1\r\n" + SIZED + b"\r\n" + BODY,
        HEAD + b"X-Model-ID: theirs\x00\r\n" + SIZED + b"\r\n" + BODY,
        HEAD.replace(b"completions ", b"completions?a\tb ") + SIZED + b"\r\n" + BODY,
    ],
)
def test_what_two_servers_could_read_differently_is_read_by_none(
    gateway: Any, servers: dict[str, Unruly], request_bytes: bytes
) -> None:
    """Two lengths, odd codings, line ends within a header: one 400, the connection ends, nothing is passed on."""
    before = len(servers["theirs"].seen()["seen"])
    with connected(gateway) as client:
        client.sendall(request_bytes)
        assert answered(client) == (400, "request_malformed")
    assert len(servers["theirs"].seen()["seen"]) == before


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v2/models/theirs/versions/..%2F..%2Fbulky/infer", {}, 404),
        ("/v2/models/theirs/versions/%2E%2E/infer", {}, 404),
        ("/v2/models/theirs/versions/..%5Cbulky/infer", {}, 404),
        ("/v2/models/..%2F..%2Fsettings/infer", {}, 404),
        ("/v2/models/%2e%2e/infer", {}, 404),
        ("//v1/chat/completions", {}, 404),
        ("/v1/chat/completions/../../settings", {}, 404),
        ("/settings", {}, 404),
        ("/v1/chat/completions?model_id=theirs%0d%0aX-Own:%201", {}, 400),
        ("/v1/chat/completions?" + "model_id=theirs&" * 900, {}, 200),
        ("/v1/chat/completions?model_id=theirs&x=%0d%0aX-Own:%201", {}, 200),
        ("/v1/chat/completions", {"X-Model-ID": "theirs%0d%0aX-Own: 1"}, 400),
        ("/v1/chat/completions", {"X-Model-ID": "t" * 15_000}, 400),
        ("/v1/chat/completions", {"X-Request-ID": 'a"\\%0d%0a{}$', "X-Freehold-Hops": "-1"}, 200),
        ("/v1/chat/completions", {"X-Request-ID": "é", "X-Freehold-Hops": "9" * 99}, 200),
        ("/v1/chat/completions", {"Connection": "x-hop\r\nConnection: x-freehold-hops", "X-Hop": "1"}, 200),
    ],
)
def test_no_name_leads_where_nobody_sent_it(
    gateway: Any, servers: dict[str, Unruly], path: str, headers: dict[str, str], status: int
) -> None:
    """Not out of its path, nor into a header, a log line or another hop; whatever passes on keeps its form."""
    body = BODY if path.startswith("/v1") else b"{}"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    before = len(servers["theirs"].seen()["seen"])
    with connected(gateway) as client:
        head = HEAD.replace(b"/v1/chat/completions", path.encode()).replace(b"\r\n", b"\r\n" + lines, 1)
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = http.client.HTTPResponse(client)
        answer.begin()
    assert answer.status == status
    seen = servers["theirs"].seen()["seen"][before:]
    assert len(seen) == (status == 200)
    for one in seen:
        assert not {"x-own", "x-hop"} & one["headers"].keys()
        assert one["headers"]["x-freehold-hops"] == "1"
        assert one["headers"]["x-request-id"] == answer.headers["X-Request-ID"]


def test_a_body_that_never_says_its_length_has_the_same_limit(gateway: Any) -> None:
    """It is cut off at the limit, however it comes."""

    def pieces() -> Iterator[bytes]:
        yield b'{"model": "theirs", "input": "'
        for _ in range(32):
            yield b"a" * 65536

    answer = gateway.client.post("/v1/embeddings", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("trailer", [b"a:\r\n", b"a" * 64])
def test_trailers_take_no_memory(gateway: Any, trailer: bytes) -> None:
    """They would lie beside the head for ever: behind what a head may have, the connection ends."""
    before = gateway.rss_mb()
    with connected(gateway) as client:
        client.sendall(HEAD + CHUNKED + b"\r\n0\r\n")
        with pytest.raises(ConnectionError):
            client.sendall(trailer * ((32 << 20) // len(trailer)))  # more than buffers between us take
    assert gateway.rss_mb() < before + MOST_MB


def test_a_shadow_that_answers_without_end_costs_nothing(gateway: Any, servers: dict[str, Unruly], soon: Any) -> None:
    """What is not compared is not read: its connection ends, the client has long been answered, and it is counted."""
    before = gateway.rss_mb()
    assert gateway.ask("/v1/chat/completions", model="copied").status_code == 200
    soon(lambda: gateway.metric("freehold_shadow_dropped_total", route="copied", reason="too_large") == 1, "dropped")
    soon(lambda: servers["bulky"].seen()["left"] == 1, "it was left")
    assert gateway.rss_mb() < before + MOST_MB


def leave_at_once(gateway: Any, theirs: Unruly, soon: Any) -> None:
    """A thousand clients are asking, half of them in the midst of a stream; then all are gone, half of them rudely."""
    left = theirs.seen()["left"]
    silence, stream = ({"kind": "silence"}, {"kind": "stream", "chunks": ["data: {}\n\n"] * 2, "pause": 60})
    with ExitStack() as clients:
        for number in range(CLIENTS):
            client = clients.enter_context(connected(gateway))
            body = json.dumps({"model": "theirs", "behave": (silence, stream)[number % 2]}).encode()
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            if number % 4 < 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        soon(lambda: gateway.metric("freehold_model_requests_in_flight", model="theirs") == CLIENTS, "all are asking")
    soon(lambda: gateway.metric("freehold_model_requests_in_flight", model="theirs") == 0, "none is asking")
    soon(lambda: theirs.seen()["left"] == left + CLIENTS, "their server was told")
    assert gateway.metric("freehold_requests_in_flight") == 1  # this one
    assert gateway.metric("freehold_request_memory_used_bytes") == 0


def test_a_thousand_clients_that_leave_at_once_leave_nothing(
    gateway: Any, servers: dict[str, Unruly], soon: Any
) -> None:
    """Requests end where they were asked, descriptors and memory come back; the next client is answered."""
    wanted = 2 * CLIENTS + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
    files = gateway.open_files()
    leave_at_once(gateway, servers["theirs"], soon)
    after_one = gateway.rss_mb()
    leave_at_once(gateway, servers["theirs"], soon)
    assert gateway.rss_mb() < after_one + MOST_MB
    soon(lambda: gateway.open_files() <= files, "descriptors are back")
    assert gateway.ask("/v1/chat/completions", model="theirs").status_code == 200


def test_clients_that_never_come_to_an_end_are_let_go(lorises: list[socket.socket]) -> None:
    """Each held one connection, for as long as a head or a body may take, and no longer."""
    assert [answered(client) for client in lorises] == [(408, "request_malformed"), (408, "slow_client")]
