"""A real registry (Debian's docker-registry) for one test or many, and a relay before it that cuts and counts."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socketserver import BaseServer
from typing import Literal

PROGRAM = shutil.which("docker-registry")
PATIENCE_S = 20.0  # only a broken test waits this long
LOGIN = "anna:$2b$04$c/HCstSZatZZBeksrw2Gz.RIfK.shvCKZ31FS4ILgdyoRhPhmrwt.\n"  # bcrypt of "open sesame"

Direction = Literal["up", "down"]
Touch = Callable[[Direction, bytes], tuple[bytes, bool]]
"""What a relay does with bytes on their way: what it passes on, and whether it cuts the connection then."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def docker_registry(folder: Path, auth: str = "") -> Iterator[str]:
    """A registry that keeps its files in `folder`; its `host:port`. `auth` is a block of its configuration."""
    assert PROGRAM is not None, "the tests need Debian's registry: apt-get install docker-registry"
    port = free_port()
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: test}}\n{auth}"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(settings)], stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "registry.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def password_settings(folder: Path) -> str:
    """The block of a registry's configuration by which only anna comes in, whose password is "open sesame"."""
    (folder / "htpasswd").write_text(LOGIN)
    return f"auth: {{htpasswd: {{realm: test, path: '{folder / 'htpasswd'}'}}}}\n"


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.01)
    raise AssertionError(f"docker-registry does not listen: {log.read_text()[-2000:]}")


@dataclass
class Relay:
    """Listens at `host`, passes everything on to a server, counts bytes, and does to them what `touch` says."""

    upstream: str
    host: str = ""
    up: int = 0
    down: int = 0
    touch: Touch | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)

    def cut_after(self, direction: Direction, count: int, times: int = 1) -> None:
        """Cut the connection over which the `count`-th byte from now goes; again after as many, `times` in all."""
        left, cuts = count, times
        lock = threading.Lock()

        def touch(way: Direction, data: bytes) -> tuple[bytes, bool]:
            nonlocal left, cuts
            with lock:
                if way != direction or not cuts:
                    return data, False
                passed = data[:left]
                left -= len(passed)
                if left:
                    return passed, False
                left, cuts = count, cuts - 1
                return passed, True

        self.touch = touch

    def die_after(self, direction: Direction, count: int) -> None:
        """Pass on `count` bytes from now, and nothing any more: whoever connects is cut off."""
        left = count
        lock = threading.Lock()

        def touch(way: Direction, data: bytes) -> tuple[bytes, bool]:
            nonlocal left
            with lock:
                if way != direction:
                    return data, not left
                passed = data[:left]
                left -= len(passed)
                return passed, not left

        self.touch = touch

    def flip(self, beginning: bytes) -> None:
        """Change the last byte of every answer's piece that holds `beginning`."""

        def touch(way: Direction, data: bytes) -> tuple[bytes, bool]:
            if way == "down" and beginning in data:
                data = data.replace(beginning, beginning[:-1] + bytes([beginning[-1] ^ 1]))
            return data, False

        self.touch = touch

    def accept(self, listening: socket.socket) -> None:
        """Take connections until `listening` is closed."""
        while True:
            try:
                client, _ = listening.accept()
                server = socket.create_connection(tuple(self._address()))
            except OSError:
                return
            with self._lock:
                self._open += [client, server]
            ended = threading.Barrier(2, partial(_close, client, server))
            for source, sink, way in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pump, args=(source, sink, way, ended), daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _address(self) -> tuple[str, int]:
        name, _, port = self.upstream.partition(":")
        return name, int(port)

    def _pump(self, source: socket.socket, sink: socket.socket, way: Direction, ended: threading.Barrier) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                passed, cut = self.touch(way, data) if self.touch is not None else (data, False)
                with self._lock:
                    if way == "up":
                        self.up += len(passed)
                    else:
                        self.down += len(passed)
                sink.sendall(passed)
                if cut:
                    break
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        ended.wait(PATIENCE_S)  # a socket that another thread reads must not be closed


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        one.close()


@contextmanager
def relay_to(upstream: str) -> Iterator[Relay]:
    """A relay to the server at `upstream` ("host:port")."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        relay = Relay(upstream, f"127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=relay.accept, args=(listening,), daemon=True)
        thread.start()
        stack.callback(thread.join, PATIENCE_S)
        stack.callback(relay.close)
        stack.callback(listening.shutdown, socket.SHUT_RDWR)
        yield relay


@contextmanager
def in_background(server: BaseServer) -> Iterator[None]:
    """A server of the standard library that answers on a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives these raw answers to one connection after the other, and the last to every further one."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            left = list(answers)
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def tags_of(host: str, name: str) -> list[str]:
    """What the registry itself lists."""
    with urllib.request.urlopen(f"http://{host}/v2/{name}/tags/list") as answer:
        tags: list[str] = json.load(answer)["tags"]
        return sorted(tags)


def silent(_: str) -> None:
    """What nobody is told."""
