"""Tiny servers behind the proxies, which remember what they were asked, and a real Nginx or Envoy in front of them."""

import getpass
import json
import os
import shutil
import socket
import ssl
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from freehold.config import Config
from freehold.gateway.rendering.nginx import render as render_nginx
from freehold.gateway.rendering.plan import Plan

Start = Callable[..., "Upstream"]
Proxy = Callable[..., httpx.Client]

PATIENCE_S = 20.0  # only a broken test waits this long


NOT_RETURNED = {"set-cookie": "a=b", "strict-transport-security": "max-age=0", "alt-svc": 'h3=":8443"'}
"""Headers of every answer of a server, which are not for clients of another address."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def configured(port: int, **settings: Any) -> Config:
    """A configuration that listens on `port` and asks for no keys; `settings` as in a file."""
    return msgspec.convert({"server": {"port": port}, "access": {"auth": "none"}, **settings}, Config)


@dataclass(frozen=True)
class Seen:
    """A request that an upstream was sent; the names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def model(self) -> Any:
        """What its body says of the model."""
        return json.loads(self.body)["model"]


@dataclass
class Upstream:
    """A server that says its name to everything, and remembers what it was asked.

    `"stream": true` in a body gets events: the first at once, the second when the test releases it.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    seen: list[Seen] = field(default_factory=list)
    status: int = 200
    tls: ssl.SSLContext | None = None
    cuts: bool = False
    """Whether it closes the connection in place of its answer, or in place of the second event."""
    released: threading.Event = field(default_factory=threading.Event)
    held: threading.Event | None = None
    """While it is set to an event that has not come, nothing is answered."""

    @property
    def url(self) -> str:
        """What a configuration names."""
        return f"{'http' if self.tls is None else 'https'}://{self.host}:{self.port}/v1"

    @contextmanager
    def running(self) -> "Iterator[Upstream]":
        """Listens while it lasts; connections that are open at its end are cut."""
        server = _Server((self.host, self.port), _answering(self))
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            server.cut()
            thread.join(PATIENCE_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], answering: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, answering)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A proxy that leaves is no news."""

    def cut(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself


def _answering(upstream: Upstream) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            upstream.seen.append(Seen(self.command, self.path, headers, body))
            if upstream.held is not None:
                upstream.held.wait(PATIENCE_S)
            if b'"stream": true' in body or b'"stream":true' in body:
                self._stream()
                return
            if upstream.cuts:
                self.close_connection = True
                return
            content = json.dumps({"by": upstream.name}).encode()
            self.send_response(upstream.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            for name, value in NOT_RETURNED.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._chunk(f'data: {{"by": "{upstream.name}"}}\n\n'.encode())
            upstream.released.wait(PATIENCE_S)
            if upstream.cuts:
                self.close_connection = True
                return
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")

        def _chunk(self, content: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

        def log_message(self, *said: Any) -> None:
            """Not here."""

    return Answering


def write(files: Mapping[str, str], folder: Path) -> None:
    """The files of a rendering."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@contextmanager
def nginx(files: Mapping[str, str], folder: Path, port: int) -> Iterator[str]:
    """The URL of a real Nginx with one worker, started from a rendering."""
    write(files, folder)
    main = folder / "nginx.conf"
    main.write_text(main.read_text(encoding="utf-8").replace("worker_processes auto", "worker_processes 1"), "utf-8")
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            nginx_command(folder, "-g", f"daemon off; user {getpass.getuser()};"), stdout=said, stderr=said
        )
    try:
        wait_for(port, process, folder / "said")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def nginx_command(folder: Path, *more: str) -> list[str]:
    """How a rendered configuration is run, as its first lines say."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf", *more]


@contextmanager
def envoy(files: Mapping[str, str], folder: Path, port: int, **environ: str) -> Iterator[str]:
    """The URL of a real Envoy with one worker, started from a rendering."""
    write(files, folder)
    with (folder / "said").open("wb") as said:
        settings = {"env": os.environ | environ, "stdout": said, "stderr": said}
        process = subprocess.Popen(envoy_command(folder), **settings)
    try:
        wait_for(port, process, folder / "said")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def envoy_command(folder: Path, *more: str) -> list[str]:
    """How a rendered configuration is run, beside other Envoys."""
    program = Path(sysconfig.get_path("scripts")) / "envoy"
    assert program.exists(), "there is no Envoy here; `make dev` installs it"
    alone = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error")
    return [str(program), "--config-path", str(folder / "envoy.yaml"), *alone, *more]


def wait_for(port: int, process: "subprocess.Popen[bytes]", said: Path) -> None:
    """Until something listens on `port`."""
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.01)
    raise AssertionError(f"it does not listen: {said.read_text(errors='replace')}")


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """What ends with the test, the last one first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(started: ExitStack) -> Start:
    """Starts tiny upstreams: `serve("name", status=...)`."""
    return lambda name, **settings: started.enter_context(Upstream(name, **settings).running())


@pytest.fixture
def behind_nginx(started: ExitStack, tmp_path: Path) -> Proxy:
    """Starts Nginx with a configuration, name servers to ask and more files; what is called gets a client of it."""

    def start(*, resolvers: tuple[str, ...] = (), extra: Mapping[str, str] | None = None, **given: Any) -> httpx.Client:
        port = free_port()
        config = configured(port, **{**given, "server": {"port": port, **given.get("server", {})}})
        files = {**render_nginx(Plan.of(config), resolvers).files, **(extra or {})}
        # addresses are asked for again after a second: a test does not wait five
        files["freehold.conf"] = files["freehold.conf"].replace("valid=5s", "valid=1s")
        url = started.enter_context(nginx(files, tmp_path, port))
        return started.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S))

    return start


def model(upstream: Upstream, **settings: Any) -> dict[str, Any]:
    """A model of a configuration, by the name of its server."""
    return {"id": upstream.name, "source": upstream.url, **settings}
