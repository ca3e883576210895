"""What Debian's registry lacks, in front of it: the referrers API, and uploads that a cut does not lose.

It answers as distribution-spec 1.1 asks for, and leaves everything else to the registry behind it.
"""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from freehold.store.oci import IMAGE_INDEX, digest_of
from tests.docker_registry import in_background

MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/[^/]+")
REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})")
UPLOAD = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<session>[0-9a-f]*)")


class Modern(ThreadingHTTPServer):
    """The server; `resumed` has the offsets at which uploads went on."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.upstream = upstream
        self.about: dict[tuple[str, str], list[dict[str, object]]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.resumed: list[int] = []

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Modern

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if match := REFERRERS.fullmatch(path):
            found = self.server.about.get((match["name"], match["digest"]), [])
            body = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": found}
            self._answer(200, {"Content-Type": IMAGE_INDEX}, json.dumps(body).encode())
        elif (match := UPLOAD.fullmatch(path)) and match["session"]:
            arrived = len(self.server.uploads[match["session"]])
            self.server.resumed.append(arrived)
            self._answer(204, {"Location": self.path, "Range": f"0-{max(0, arrived - 1)}"})
        else:
            self._pass_on(b"")

    def do_HEAD(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        session = uuid.uuid4().hex
        self.server.uploads[session] = bytearray()
        self._answer(202, {"Location": f"{urlsplit(self.path).path}{session}"})

    def do_PATCH(self) -> None:
        match = UPLOAD.fullmatch(urlsplit(self.path).path)
        assert match is not None
        if self._receive(self.server.uploads[match["session"]]):
            self._answer(202, {"Location": self.path})

    def do_PUT(self) -> None:
        url = urlsplit(self.path)
        body = bytearray()
        if match := UPLOAD.fullmatch(url.path):
            body = self.server.uploads[match["session"]]
            if self._receive(body):
                self._store(match["name"], bytes(body), parse_qs(url.query)["digest"][0])
            return
        self._receive(body)
        document = json.loads(bytes(body))
        match, subject = MANIFEST.fullmatch(url.path), document.get("subject")
        if match is None or subject is None:
            self._pass_on(bytes(body))
            return
        own = {"mediaType": document["mediaType"], "digest": digest_of(bytes(body)), "size": len(body)}
        own |= {"artifactType": document["artifactType"]}
        self.server.about.setdefault((match["name"], subject["digest"]), []).append(own)
        self._pass_on(bytes(body), {"OCI-Subject": subject["digest"]})

    def _receive(self, into: bytearray) -> bool:
        """Append the body as it comes; whether it came whole."""
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read1(min(left, 65536))
            if not piece:
                self.close_connection = True
                return False
            into += piece
            left -= len(piece)
        return True

    def _store(self, name: str, blob: bytes, digest: str) -> None:
        begun = self._ask("POST", f"/v2/{name}/blobs/uploads/", b"", {})
        place = urlsplit(begun[1]["Location"])
        status, headers, body = self._ask("PUT", f"{place.path}?{place.query}&digest={digest}", blob, {})
        self._answer(status, headers, body)

    def _pass_on(self, body: bytes, more: dict[str, str] | None = None) -> None:
        sent = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
        status, headers, answer = self._ask(self.command, self.path, body, sent)
        self._answer(status, headers | (more or {}), answer)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.server.upstream, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        told = {name.lower() for name in headers}
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in told:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def modern_front(upstream: str) -> Iterator[Modern]:
    """The server before the registry at `upstream`."""
    with Modern(upstream) as server, in_background(server):
        yield server
