"""Nginx in front of Dify: the text, and a real one between a client and upstreams that come and go."""

import getpass
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from freehold.deploy.topology.nginx import nginx_conf
from freehold.deploy.topology.release import release_of
from tests.deploy.topology.configured import VERSION
from tests.gateway.rendering.name_server import NameServer
from tests.pki import Authority

PATIENCE_S = 20.0  # only a broken test waits this long
PATHS = release_of(VERSION).paths
ELSEWHERE = "127.0.0.2"


class Upstream(http.server.ThreadingHTTPServer):
    """Answers with its own name, the path and the headers; `/v1/slow` in two parts, the second when `go` is set."""

    daemon_threads = True

    def __init__(self, name: str, host: str, port: int = 0) -> None:
        super().__init__((host, port), Answers)
        self.name, self.go = name, threading.Event()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        said = {
            "by": self.server.name,
            "path": self.path,
            **{name.lower(): text for name, text in self.headers.items()},
        }
        body = json.dumps(said).encode()
        if self.path.startswith("/v1/slow"):
            self.send_response(200)
            self.send_header("content-length", "10")
            self.end_headers()
            self.wfile.write(b"first")
            self.wfile.flush()
            assert self.server.go.wait(PATIENCE_S)
            self.wfile.write(b"later")
            return
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests print nothing."""


@contextmanager
def serving(name: str, host: str, port: int = 0) -> Iterator[Upstream]:
    upstream = Upstream(name, host, port)
    thread = threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield upstream
    finally:
        upstream.shutdown()
        upstream.server_close()
        thread.join(PATIENCE_S)


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def nginx(folder: Path, text: str, port: int, secrets: str = "/run/secrets/dify-") -> Iterator[None]:
    """A real one; `make test` says how it is installed where it is not. `secrets`: how paths of its secrets begin."""
    folder.mkdir(exist_ok=True)
    text = text.replace("/tmp/", f"{folder}/").replace("auto;", "1;").replace("/run/secrets/dify-", secrets)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    words = ["-e", "stderr", "-p", str(folder), "-c", "nginx.conf", "-g", f"daemon off; user {getpass.getuser()};"]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([program, *words], stdout=said, stderr=said)
    try:
        limit = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "said").read_text()
                assert time.monotonic() < limit
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"host": "dify.corp", **headers})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if answer.status == 200 else {}
    finally:
        connection.close()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[tuple[int, NameServer, dict[str, Upstream]]]:
    """A real Nginx before an upstream for each service but `web`, which is not there."""
    with ExitStack() as stack:
        names = stack.enter_context(NameServer({}).running())
        there = {
            name: stack.enter_context(serving(name, "127.0.0.1")) for name in ("api", "api_websocket", "plugin_daemon")
        }
        upstreams = {name: f"{name}:{one.server_address[1]}" for name, one in there.items()} | {"web": "web:1"}
        names.addresses.update(dict.fromkeys(there, "127.0.0.1"))
        ports = free_ports()
        text = nginx_conf("https://dify.corp", PATHS, upstreams, False, names.address, ports)
        stack.enter_context(nginx(tmp_path, text, ports[0]))
        yield ports[0], names, there


def test_each_path_reaches_its_service(front: tuple[int, NameServer, dict[str, Upstream]]) -> None:
    """Whole and unchanged, with headers that say who asked by which address."""
    port, _, _ = front
    for path, service in PATHS.items():
        if service == "web":
            continue
        status, said = get(port, f"{path}/a%20b?x=1&y=%2F", upgrade="websocket")
        assert (status, said["by"], said["path"]) == (200, service, f"{path}/a%20b?x=1&y=%2F")
        assert said["host"] == said["x-forwarded-host"] == "dify.corp"
        assert (said["x-forwarded-proto"], said["x-forwarded-port"]) == ("https", "443")
        assert said["x-forwarded-for"] == said["x-real-ip"] == "127.0.0.1"
        assert (said["upgrade"], said["connection"]) == ("websocket", "upgrade")
        hook = f"https://dify.corp{path}/a%20b?x=1&y=%2F" if service == "plugin_daemon" else None
        assert said.get("dify-hook-url") == hook


def test_a_service_that_is_not_there_is_missed_alone(front: tuple[int, NameServer, dict[str, Upstream]]) -> None:
    """Nginx starts without it, and serves the others; its own health is its own."""
    port, _, _ = front
    assert get(port, "/")[0] == 502
    assert get(port, "/v1/models")[0] == 200
    assert get(port, "/healthz")[0] == 204


def test_a_service_that_moves_is_followed(front: tuple[int, NameServer, dict[str, Upstream]]) -> None:
    """Another address behind the same name, as after a restart: no request fails."""
    port, names, there = front
    assert get(port, "/v1/models")[1]["by"] == "api"
    with serving("new", ELSEWHERE, there["api"].server_address[1]):
        names.addresses["api"] = ELSEWHERE
        limit, seen = time.monotonic() + PATIENCE_S, set()
        while "new" not in seen:
            status, said = get(port, "/v1/models")
            assert status == 200
            assert time.monotonic() < limit
            seen.add(said["by"])
        there["api"].server_close()
        assert {get(port, "/console/api/x")[1]["by"] for _ in range(5)} == {"new"}


def test_what_is_streamed_arrives_as_it_is_made(front: tuple[int, NameServer, dict[str, Upstream]]) -> None:
    """The first part comes while the second is not there yet."""
    port, _, there = front
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/v1/slow")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    there["api"].go.set()
    assert answer.read() == b"later"
    connection.close()


def test_large_uploads_pass(front: tuple[int, NameServer, dict[str, Upstream]]) -> None:
    """By what they say of their size: nothing of it needs to be sent."""
    port, _, _ = front
    for megabytes, wanted in ((500, b"HTTP/1.1 100"), (700, b"HTTP/1.1 413")):
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as raw:
            head = (
                f"POST /console/api/x HTTP/1.1\r\nhost: d\r\nexpect: 100-continue\r\ncontent-length: {megabytes << 20}"
            )
            raw.sendall(f"{head}\r\n\r\n".encode())
            assert raw.recv(12) == wanted


def test_https_is_served_beside_a_port_that_only_tells_its_health(tmp_path: Path) -> None:
    """By the certificate that the configuration names."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    with ExitStack() as stack:
        api = stack.enter_context(serving("api", "127.0.0.1"))
        names = stack.enter_context(NameServer({"api": "127.0.0.1"}).running())
        upstreams = dict.fromkeys(PATHS.values(), f"api:{api.server_address[1]}")
        plain, tls = free_ports()
        text = nginx_conf("https://localhost:8443", PATHS, upstreams, True, names.address, (plain, tls))
        pair.certificate.rename(tmp_path / "tls-certificate")
        pair.key.rename(tmp_path / "tls-key")
        stack.enter_context(nginx(tmp_path / "nginx", text, tls, f"{tmp_path}/"))
        assert get(plain, "/healthz")[0] == 204
        assert get(plain, "/v1/models")[0] == 404
        assert get(tls, "/v1/models")[0] == 308
        context: ssl.SSLContext = authority.context()
        raw = socket.create_connection(("127.0.0.1", tls), PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: secure.recv(65536), b""))
        assert b" 200 " in answer.splitlines()[0]
        assert b'"x-forwarded-port": "8443"' in answer
