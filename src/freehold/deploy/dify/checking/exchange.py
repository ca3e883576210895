"""One request and its answer as they went over the wire: each byte sent, and each piece of the answer with its time."""

import http.client
import io
import json
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast
from urllib.parse import urlsplit

CONNECT_S = 10.0
PIECE_BYTES = 1 << 16
AFTER_LAST_S = 1.0
"""A server has this long to end an answer whose last words came."""
LONGEST_BYTES = 64 << 20
"""Of an answer; more is not read."""
SHORTEST_KEY = 4
"""Characters; a shorter one is part of other words."""
SHOWN = 400
"""Characters of a body that a report shows."""

Trouble = Literal["", "name", "refused", "route", "untrusted", "other_name", "expired", "tls", "slow", "cut", "no_http"]
"""Why there is no whole answer; "": there is one."""


@dataclass(frozen=True)
class Piece:
    """What one read of the connection gave, transfer coding taken off: with chunked answers, at most one chunk."""

    at_s: float
    """Seconds since the request was sent."""
    data: bytes


@dataclass(frozen=True)
class Request:
    """A request as it is sent. Headers go out in this order, after Host."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def target(self) -> str:
        """The path with its query."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def encoded(self) -> bytes:
        """The bytes of the request."""
        length = (("Content-Length", str(len(self.body))),) if self.method == "POST" else ()
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *length)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def told(self) -> str:
        """Method, URL and the beginning of the body, for a report."""
        return f"{self.method} {self.url} {shortened(self.body.decode(errors='replace'))}".rstrip()


@dataclass(frozen=True)
class Exchange:
    """A request and what came back; a status of 0 with `trouble` where nothing did."""

    request: Request
    status: int = 0
    headers: Mapping[str, str] | None = None
    pieces: tuple[Piece, ...] = ()
    trouble: Trouble = ""
    reason: str = ""
    """Of the trouble, in the words of the system."""
    seconds: float = 0.0
    """Until the answer ended, or was left."""
    left: bool = False
    """Whether we stopped reading since enough was known."""

    @cached_property
    def body(self) -> bytes:
        """All pieces, with stars for the key that was sent: reports show answers, and some servers repeat it."""
        whole = b"".join(piece.data for piece in self.pieces)
        key = dict(self.request.headers).get("Authorization", "").removeprefix("Bearer ").encode()
        return whole.replace(key, b"***") if len(key) >= SHORTEST_KEY else whole

    @cached_property
    def text(self) -> str:
        """The body as UTF-8, broken characters as U+FFFD."""
        return self.body.decode("utf-8", errors="replace")

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None where it is none. NaN and Infinity are read, as `requests` does."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def ok(self) -> bool:
        """A whole answer of status 200."""
        return self.status == 200 and not self.trouble

    def told(self) -> str:
        """Status and the beginning of the body, for a report; the trouble where there was some."""
        shown = f"{self.status} {shortened(self.text)}".rstrip() if self.status else ""
        return " ".join(word for word in (shown, f"({self.reason})" if self.trouble else "") if word)


def shortened(text: str, most: int = SHOWN) -> str:
    """The beginning and the end of a long text, with line ends and the like escaped."""
    if len(text) > most:
        text = f"{text[: most * 3 // 4]} [...] {text[-most // 4 :]}"
    return text.replace("\r", "\\r").replace("\n", "\\n").strip()


def exchange(
    request: Request,
    trust: ssl.SSLContext,
    seconds: float,
    enough: Callable[[bytes], bool] | None = None,
    last: bytes = b"",
) -> Exchange:
    """Send `request` on a connection of its own and read the answer for at most `seconds`.

    Straight, without a proxy. `enough` is asked after each piece with all that came: True leaves. A server that has
    sent `last` has a second more to end. Never raises for what a server or a network does: that is the result.
    """
    began = time.monotonic()
    status, headers = 0, None
    pieces: list[Piece] = []
    trouble: Trouble = ""
    reason, left = "", False
    try:
        with _connected(request.url, trust, min(CONNECT_S, seconds)) as connection:
            timed = _Timed(connection, began + seconds)
            connection.settimeout(seconds)
            sent = time.monotonic()
            with suppress(ConnectionResetError, BrokenPipeError):  # who has read enough may still answer
                connection.sendall(request.encoded())
            answer = http.client.HTTPResponse(cast("socket.socket", timed), method=request.method)
            answer.begin()
            status, headers = answer.status, {name.lower(): value for name, value in answer.getheaders()}
            unpack = _unpacking(headers.get("content-encoding", ""))
            body = bytearray()
            while piece := answer.read1(PIECE_BYTES):
                pieces.append(Piece(time.monotonic() - sent, unpack(piece)))
                body += pieces[-1].data
                if left := len(body) > LONGEST_BYTES or (enough is not None and enough(bytes(body))):
                    break
                if last and last in body[-len(pieces[-1].data) - len(last) :]:
                    timed.ends = min(timed.ends, time.monotonic() + AFTER_LAST_S)
            if not left and answer.length:
                raise http.client.IncompleteRead(bytes(body), answer.length)
    except (OSError, http.client.HTTPException, zlib.error, ValueError) as error:
        trouble, reason = _trouble(error, seconds)
    return Exchange(request, status, headers, tuple(pieces), trouble, reason, time.monotonic() - began, left)


class _Timed(io.RawIOBase):
    """What is read of a connection until the time is over, however small the pieces in which it comes."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self.ends = ends
        self._connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As a socket's: what `http.client` asks of one."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """At least a byte, 0 at the end. Raises TimeoutError."""
        if (rest := self.ends - time.monotonic()) <= 0:
            raise TimeoutError
        self._connection.settimeout(rest)
        return self._connection.recv_into(buffer)


def _connected(url: str, trust: ssl.SSLContext, seconds: float) -> socket.socket:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    plain = socket.create_connection((host, parts.port or (443 if secure else 80)), timeout=seconds)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return plain
    try:
        return trust.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _unpacking(coding: str) -> Callable[[bytes], bytes]:
    """What takes off a Content-Encoding that the plugin's client accepts."""
    if coding.strip().lower() not in ("gzip", "deflate"):
        return lambda data: data
    return zlib.decompressobj(wbits=47).decompress  # 32 + 15: zlib's and gzip's form, told apart by their heads


HOSTNAME_MISMATCH, EXPIRED = 62, 10
"""Of OpenSSL's verify results (X509_V_ERR_*); 64, an address, is the same for us as 62."""


def _trouble(error: Exception, seconds: float) -> tuple[Trouble, str]:
    """The sort of an error and its words."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=words):
            kind: Trouble = "other_name" if code in (HOSTNAME_MISMATCH, 64) else "untrusted"
            return ("expired" if code == EXPIRED else kind), words
        case ssl.SSLError():
            return "tls", error.reason or str(error)
        case socket.gaierror():
            return "name", error.strerror or str(error)
        case ConnectionRefusedError():
            return "refused", "connection refused"
        case TimeoutError():
            return "slow", f"no whole answer within {seconds:.0f} s"
        case (
            ConnectionResetError() | BrokenPipeError() | http.client.IncompleteRead() | http.client.RemoteDisconnected()
        ):
            return "cut", "the connection ended in the middle"
        case OSError():
            return "route", error.strerror or str(error)
    return "no_http", f"{type(error).__name__}: {shortened(str(error), 80)}"
