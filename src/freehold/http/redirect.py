"""The plain HTTP port of a server that speaks HTTPS: it sends clients there, and proves names to an ACME authority."""

from collections.abc import Awaitable, Callable
from email.utils import formatdate

from freehold.errors import FreeholdError
from freehold.http.call import Receive, Response, Scope, Send
from freehold.http.errors import respond
from freehold.http.routing import dialect_at
from freehold.http.tls import Https

CHALLENGES = "/.well-known/acme-challenge/"  # RFC 8555, 8.3
PROBES = frozenset({"/livez", "/readyz"})
HTTPS_PORT = 443

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Redirect:
    """An ASGI app: 308 to the same place at `https`, which listens on `port`.

    A client names its host itself, so it is sent only to names that the certificate is for: no link to this port leads
    anywhere else. `app` answers the probes: what starts containers has no certificate to show, and must hear that the
    first one is awaited.
    """

    def __init__(self, https: Https, port: int, app: Application) -> None:
        self._https = https
        self._port = "" if port == HTTPS_PORT else f":{port}"
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path in PROBES and (path == "/livez" or self._https.certificate is not None):
            await self._app(scope, receive, send)
            return
        try:
            response = self._answer(scope, path)
        except FreeholdError as error:
            response = respond(error, dialect_at(path))
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", b"%d" % len(response.body)),
            (b"date", formatdate(usegmt=True).encode("ascii")),
            *response.headers,
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def _answer(self, scope: Scope, path: str) -> Response:
        if path.startswith(CHALLENGES):
            return self._prove(path.removeprefix(CHALLENGES))
        names = ", ".join(self._https.names)
        if self._https.certificate is None:
            raise FreeholdError("certificate_awaited", names=names, reason=self._https.awaits)
        given: bytes = dict(scope["headers"]).get(b"host", b"")
        host = _without_port(given.decode("latin-1"))
        if not self._https.covers(host):
            raise FreeholdError("tls_host_unknown", host=host[:200] or "-", names=names)
        query: bytes = scope["query_string"]
        place = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        location = f"https://{host}{self._port}{place}".encode("latin-1")
        return Response(b"", 308, content_type=b"text/plain", headers=((b"location", location),))

    def _prove(self, token: str) -> Response:
        renewal = self._https.renewal
        answer = renewal.challenges.get(token) if renewal is not None else None
        if answer is None:
            raise FreeholdError("acme_challenge_unknown")
        return Response(answer, content_type=b"application/octet-stream")


def _without_port(host: str) -> str:
    """`models:80` -> `models`, `[::1]:80` -> `[::1]`."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) and (":" not in name or name.endswith("]")) else host
