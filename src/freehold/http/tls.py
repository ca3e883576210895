"""HTTPS of one listener: modern settings, and a certificate that is replaced while connections live.

Protocols and ciphers are those of Mozilla's recommendation "intermediate" (TLS 1.2 and 1.3, forward secrecy and
authenticated encryption only), without the finite-field Diffie-Hellman that no client of the last ten years needs.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from freehold.errors import FreeholdError
from freehold.http.certificate import Certificate, CertificateFiles, Fingerprint, load_authorities, now
from freehold.telemetry import Telemetry

CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for signature in ("ECDSA", "RSA")
)
"""Of TLS 1.2, in OpenSSL's names; those of TLS 1.3 are all good and stay as they are."""
WATCH_S = 1.0  # between looks at the files
REMIND_EVERY = timedelta(days=1)

_log = logging.getLogger(__name__)


def server_context(protocol: str = "http/1.1") -> ssl.SSLContext:
    """A context of ours for a server of that protocol (RFC 7301), without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols([protocol])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options |= ssl.OP_NO_TICKET  # a ticket's key would outlive the sessions that it opens
    return context


class Renewal(Protocol):
    """Who gets the certificate from an authority and puts it into the files, beside the event loop.

    `error`: why the last try failed. `challenges`: what to answer the authority on the plain port, by token. `start` is
    called once; `stop` does not wait for the end, and `busy` says whether it is still to come.
    """

    @property
    def error(self) -> FreeholdError | None: ...
    @property
    def challenges(self) -> Mapping[str, bytes]: ...
    @property
    def busy(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Https:
    """What a listener needs for HTTPS. Used from the event loop's thread only.

    `context` is for its socket, `http2_context` for one that speaks HTTP/2. Each handshake is handed on to a
    context of the newest certificate: one that changes in a living context would stay beside the old one where their
    keys are of two kinds. Connections keep the one they began with. Without a certificate (ACME's first is on its way)
    handshakes are refused.
    """

    def __init__(
        self,
        files: CertificateFiles,
        telemetry: Telemetry,
        *,
        client_ca: Path | None = None,
        hsts_s: int = 0,
        renewal: Renewal | None = None,
        clock: Callable[[], datetime] = now,
        every_s: float = WATCH_S,
    ) -> None:
        """`hsts_s`: how long browsers insist on HTTPS; 0: they are told nothing (RFC 6797)."""
        self.context, self.http2_context = server_context(), server_context("h2")
        self.certificate: Certificate | None = None
        self.error: FreeholdError | None = None
        self.hsts_s = hsts_s
        self.plain: socket.socket | None = None  # that of the port for plain HTTP
        self.renewal = renewal
        self._files = files
        self.client_ca = client_ca
        self._clock = clock
        self._every_s = every_s
        self._newest: dict[ssl.SSLContext, ssl.SSLContext] = {}
        self._loaded: Fingerprint = ()
        self._refused: Fingerprint = ()
        self._reminded: datetime | None = None
        self._expires = telemetry.certificate_expires.of("server")
        self._failures = telemetry.certificate_failures.of("server")
        for context in (self.context, self.http2_context):
            context.sni_callback = self._hand_on
            if client_ca is not None:  # asked of the socket's own: a handshake that is handed on keeps its mode
                context.verify_mode = ssl.CERT_REQUIRED
                context.num_tickets = 0  # a session that is taken up again shows no certificate

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it answers for."""
        return self._files.wanted or (self.certificate.names if self.certificate is not None else ())

    @property
    def is_busy(self) -> bool:
        """Whether a certificate is being ordered on a thread that nobody can stop."""
        return self.renewal is not None and self.renewal.busy

    @property
    def host(self) -> str | None:
        """A name to ask this server by."""
        return next((name for name in self.names if not name.startswith("*")), None)

    def covers(self, host: str) -> bool:
        """Whether clients that ask for `host` accept what they get."""
        return self.certificate is not None and self.certificate.covers(host)

    @property
    def awaits(self) -> str:
        """What the first certificate waits for."""
        error = self.error if self.renewal is None else self.renewal.error
        return "its authority has been asked" if error is None else error.cause

    def troubles(self) -> list[FreeholdError]:
        """Why a new certificate is not in use."""
        renewal = self.renewal.error if self.renewal is not None else None
        return [error for error in (self.error, renewal) if error is not None]

    def load(self) -> None:
        """Show what lies in the files from now on. Raises as `CertificateFiles.read` and `load_into`, and
        FreeholdError `tls_authority_unreadable`; then everything stays as it was."""
        seen = self._fingerprint()
        at = self._clock()
        certificate = self._files.read(at)
        newest = {self.context: server_context(), self.http2_context: server_context("h2")}
        for context in newest.values():
            self._files.load_into(context)
            if self.client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                load_authorities(context, self.client_ca, "server.tls.client_ca")
        self.certificate, self._newest, self._loaded, self.error = certificate, newest, seen, None
        self._expires.set(certificate.expires.timestamp())
        for note in self._files.notes(certificate, at):
            _log.warning(note.cause, extra={"fix": note.fix})
        self._reminded = at
        shown = {"names": ", ".join(certificate.names), "days_left": round(certificate.days_left(at), 1)}
        _log.info("certificate_loaded", extra=shown)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts, the certificate is kept new. Raises as `load`, unless its first one is still to be issued."""
        if self.certificate is None:
            self._begin()
        watching = asyncio.create_task(self.watch())
        if self.renewal is not None:
            self.renewal.start()
        try:
            yield
        finally:
            watching.cancel()
            if self.renewal is not None:
                self.renewal.stop()

    async def watch(self) -> None:
        """Load the files again whenever they have changed and stand still, until cancelled."""
        before = self._loaded
        while True:
            await asyncio.sleep(self._every_s)
            seen = self._fingerprint()
            if seen == self._loaded:
                self.error = None  # what was refused has been taken back
            elif seen == before and seen != self._refused:
                self._reload(seen)
            before = seen
            self._remind()

    def _begin(self) -> None:
        """Load; what an authority issued may be missing or over by now, and comes anew."""
        try:
            self.load()
        except FreeholdError as error:
            if self.renewal is None:
                raise
            self._refused = self._fingerprint()
            _log.warning("certificate_awaited", extra={"names": ", ".join(self.names), "cause": error.cause})

    def _reload(self, seen: Fingerprint) -> None:
        try:
            self.load()
        except FreeholdError as error:
            self.error, self._refused = error, seen
            self._failures.inc()
            _log.error(error.cause, extra={"fix": error.fix, "kept": self._kept()})

    def _kept(self) -> str:
        return "-" if self.certificate is None else f"{self.certificate.expires:%Y-%m-%d %H:%M} UTC"

    def _remind(self) -> None:
        """Say once a day that the certificate ends, or has ended."""
        at = self._clock()
        if self.certificate is None or self._reminded is None or at - self._reminded < REMIND_EVERY:
            return
        self._reminded = at
        for note in self._files.notes(self.certificate, at):
            _log.warning(note.cause, extra={"fix": note.fix})

    def _fingerprint(self) -> Fingerprint:
        authorities = () if self.client_ca is None else CertificateFiles(self.client_ca, self.client_ca).fingerprint()
        return (*self._files.fingerprint(), *authorities)

    def _hand_on(self, handshake: ssl.SSLObject, name: str | None, own: ssl.SSLContext) -> int | None:
        """OpenSSL asks this of every handshake on a socket's `own` context, also of one that names no host."""
        newest = self._newest.get(own)
        if newest is None:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
        handshake.context = newest
        return None
