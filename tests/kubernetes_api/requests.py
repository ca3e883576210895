"""Requests to the API server and its answers, on the wire."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.refusals import RefusalError, Resource

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NOTHING = Resource("", "", "", "")
NO_SUCH_PATH = RefusalError(404, "", "404 page not found")


@dataclass
class Request:
    """One request, and what of the API it is about."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    resource: Resource = NOTHING
    namespace: str = ""
    name: str = ""
    sub: str = ""
    """A subresource: log, proxy."""
    beyond: str = ""
    """The path behind `/proxy/`."""

    @property
    def verb(self) -> str:
        """As RBAC names it."""
        if self.method == "GET" and not self.name:
            return "watch" if self.query.get("watch") == "true" else "list"
        return VERBS.get(self.method, "get")

    @property
    def manager(self) -> str:
        """Who writes, as managed fields name it."""
        return self.query.get("fieldManager") or self.headers.get("user-agent", "unknown").partition("/")[0]

    @property
    def dry(self) -> bool:
        """Nothing is to be kept."""
        return self.query.get("dryRun") == "All"

    @property
    def told(self) -> str:
        """`patch deployments.apps/NAME`."""
        return f"{self.verb} {self.resource.qualified}/{self.name}"

    def find_resource(self, kinds: Sequence[Resource]) -> None:
        """Read the path. Raises RefusalError for one that there is not: a kind that the cluster does not have."""
        parts = self.path.strip("/").split("/")
        group, parts = ("", parts[1:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[2:])
        version, parts = (parts or [""])[0], parts[1:]
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            self.namespace, parts = parts[1], parts[2:]
        plural = parts[0] if parts else ""
        found = [one for one in kinds if (one.group, one.version, one.plural) == (group, version, plural)]
        if not found:
            raise NO_SUCH_PATH
        self.resource = found[0]
        self.name = parts[1] if len(parts) > 1 else ""
        self.sub = parts[2] if len(parts) > 2 else ""
        self.beyond = "/".join(parts[3:])

    def forwarded(self, backends: Mapping[str, str]) -> "Answer":
        """The answer of the service or pod behind the proxy. Who asks the API server is no business of theirs."""
        target = backends.get(f"{self.namespace}/{self.resource.plural}/{self.name}")
        if target is None:
            words = f'no endpoints available for service "{self.name}"'
            raise RefusalError(503, "ServiceUnavailable", words)
        address = urlsplit(target)
        kept = {
            k: v for k, v in self.headers.items() if k not in ("authorization", "host", "connection", "content-length")
        }
        query = "?" + "&".join(f"{k}={v}" for k, v in self.query.items()) if self.query else ""
        with closing(http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=10)) as connection:
            try:
                connection.request(self.method, f"{address.path}/{self.beyond}{query}", self.body or None, kept)
                response = connection.getresponse()
            except OSError as error:
                raise RefusalError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None
            return Answer(response.status, iter([response.read()]), response.headers.get("content-type", "text/plain"))


@dataclass
class Answer:
    """A status and a body in pieces."""

    code: int
    pieces: Iterable[bytes]
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Object, code: int = 200) -> "Answer":
        """An object."""
        return cls(code, iter([json.dumps(body).encode()]))

    @classmethod
    def refusing(cls, refusal: RefusalError) -> "Answer":
        """A Status; plain text for a path that is not there."""
        if refusal is NO_SUCH_PATH:
            return cls(404, iter([b"404 page not found\n"]), "text/plain; charset=utf-8")
        answer = cls.of(refusal.status(), refusal.code)
        if refusal.retry_after_s is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after_s)
        return answer


def selects(request: Request, found: Object) -> bool:
    """Whether an object is among those that a list or watch asks for, by labels and fields."""
    labels = found["metadata"].get("labels", {})
    wanted = [part for part in request.query.get("labelSelector", "").split(",") if part]
    return all(_label_fits(part, labels) for part in wanted) and all(
        _field(found, name) == value
        for name, _, value in (
            part.partition("=") for part in request.query.get("fieldSelector", "").split(",") if part
        )
    )


def _label_fits(part: str, labels: Mapping[str, str]) -> bool:
    if "!=" in part:
        name, _, value = part.partition("!=")
        return labels.get(name) != value
    if "=" in part:
        name, _, value = part.replace("==", "=").partition("=")
        return labels.get(name) == value
    return part in labels


def _field(found: Any, path: str) -> str:
    for name in path.split("."):
        found = found.get(name, {})
    return str(found)


class Connection(BaseHTTPRequestHandler):
    """One connection of a client, kept alive; bodies leave in chunks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"

    def setup(self) -> None:
        """Be known to the listener, which cuts those that are open when it ends."""
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        """Be forgotten again."""
        self.server.open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """A connection that is cut has no more requests."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing is written."""

    def _any(self) -> None:
        path = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        request = Request(
            self.command,
            path.path,
            dict(parse_qsl(path.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        try:
            answer = self.server.answer(request)
        except RefusalError as refusal:
            answer = Answer.refusing(refusal)
        self.send_response(answer.code)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in filter(None, answer.pieces):  # an empty one would end the body
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - as BaseHTTPRequestHandler calls them


class Listener(ThreadingHTTPServer):
    """Listens on loopback, and answers each connection in a thread of its own."""

    daemon_threads = False

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.answer = answer
        self.open: set[socket.socket] = set()

    @contextmanager
    def listening(self, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """Answer meanwhile; its address. Open connections end with it."""
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="listener")
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"
        finally:
            self.shutdown()
            for connection in list(self.open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.server_close()
            thread.join()
