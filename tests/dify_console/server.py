"""A Dify console API in this process: it behaves as Dify 1.15.0's, and by switches as older and newer ones.

It keeps what it is told (administrator, plugins, models, apps, knowledge bases) and really calls the addresses that
credentials name, as Dify's plugin does. Whoever uses the API in a way that Dify would not understand is noted in
`Dify.misuse`, which `serving` asserts to be empty at its end.
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.dify_console.state import Dify

_METHODS = ("GET", "POST", "PUT", "DELETE")


class RefusedError(Exception):
    """An error that the API answers with, in its envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Reply:
    """An answer: a document, or bytes of another type."""

    body: Any = None
    status: int = 200
    cookies: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"


@dataclass
class Call:
    """A request. `words` are the parts of its path that the route leaves open."""

    dify: Dify
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes
    words: dict[str, str] = field(default_factory=dict)

    def body(self, required: str, optional: str = "") -> dict[str, Any]:
        """The JSON body: these keys and no other."""
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        needed, allowed = set(required.split()), {*required.split(), *optional.split()}
        if not isinstance(document, dict) or not needed <= set(document) <= allowed:
            given = sorted(document) if isinstance(document, dict) else self.content[:80].decode()
            raise self.misused(f"the body has {given}, wanted are {sorted(needed)}, allowed {sorted(allowed)}")
        return document

    def params(self, allowed: str) -> dict[str, str]:
        """The query: these names and no other."""
        if not set(self.query) <= set(allowed.split()):
            raise self.misused(f"the query has {sorted(self.query)}, allowed are {allowed}")
        return self.query

    def cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}

    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def misused(self, why: str) -> RefusedError:
        """Note a request that Dify would not understand, and refuse it."""
        self.dify.misuse.append(f"{self.method} {self.path}: {why}")
        return RefusedError(400, "invalid_param", why)


@dataclass(frozen=True)
class Route:
    """One path of the API, `{word}` for what is open in it, and what answers it."""

    name: str
    answer: Callable[[Call], Reply]
    guard: Callable[[Call], None] | None = None

    def match(self, method: str, path: str) -> dict[str, str] | None:
        wanted, _, pattern = self.name.partition(" ")
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
        return found.groupdict() if found is not None and wanted == method else None


def answered(routes: Sequence[Route], call: Call) -> Reply:
    """What Dify answers: of the first route that fits, or its error."""
    known = any(route.match(method, call.path) is not None for method in _METHODS for route in routes)
    for route in routes:
        words = route.match(call.method, call.path)
        if words is None:
            continue
        call.words = words
        if route.name in call.dify.broken:
            status, document = call.dify.broken[route.name]
            return Reply(document, status)
        try:
            if route.guard is not None:
                route.guard(call)
            reply = route.answer(call)
        except RefusedError as refused:
            return Reply({"code": refused.code, "message": refused.message, "status": refused.status}, refused.status)
        change = call.dify.changed.get(route.name)
        return reply if change is None else Reply(change(reply.body), reply.status, reply.cookies)
    if not known:
        call.dify.misuse.append(f"{call.method} {call.path}: Dify has no such path")
    status = 405 if known else 404
    return Reply({"code": "not_found", "message": "no such path or method", "status": status}, status)


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    dify: Dify
    routes: Sequence[Route]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        self.dify.asked.append(f"{self.command} {parts.path}")
        if self.dify.outages > 0:
            self.dify.outages -= 1
            self._write(Reply(b"<html><h1>502 Bad Gateway</h1></html>", 502, type="text/html"), proxied=False)
        elif self.dify.moved is not None:
            self._write(Reply(b"", 301, type=f"text/html\r\nLocation: {self.dify.moved}{self.path}"), proxied=False)
        elif len(content) > self.dify.proxy_limit:
            self._write(Reply(b"<html>413 Request Entity Too Large</html>", 413, type="text/html"), proxied=False)
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query))
            self._write(answered(self.routes, Call(self.dify, self.command, parts.path, query, headers, content)))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815 - the names that the library calls

    def _write(self, reply: Reply, proxied: bool = True) -> None:
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        content = b"" if reply.status == 204 else raw
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(content)))
        if proxied and self.dify.version is not None:
            self.send_header("X-Version", self.dify.version)
        for name, value in reply.cookies.items():
            secure = "; Secure" if self.dify.https and name != "session" else ""
            self.send_header("Set-Cookie", f"{name}={value}; Path=/; SameSite=Lax{secure}")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(dify: Dify, tls: ssl.SSLContext | None = None) -> Iterator[Dify]:
    """Serve it on a free port of loopback, by TLS where a context is given; at the end nothing was misused."""
    from tests.dify_console.routes import ROUTES

    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Server", (_Server,), {"dify": dify, "routes": ROUTES}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    dify.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield dify
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert dify.misuse == [], "the console API was used in a way that Dify does not understand"
