"""A Dify console API in this process: it behaves as Dify 1.15.0's, and by switches as older and newer ones.

It keeps what it is told (administrator, plugins, models, apps, knowledge bases) and really calls the addresses that
credentials name, as Dify's plugin does. Whoever uses the API in a way that Dify would not understand is noted in
`Dify.misuse`, which `serving` asserts to be empty at its end.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from tests.dify_console.routes import ROUTES
from tests.dify_console.state import Dify
from tests.dify_console.web import Call, Reply, answered


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    dify: Dify

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
            self._write(answered(ROUTES, Call(self.dify, self.command, parts.path, query, headers, content)))

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
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Server", (_Server,), {"dify": dify}))
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
