"""A certificate and its key in PEM files: judged whole before anything is served with it.

A server that starts with a certificate that no client accepts looks healthy and is not. So everything that a client
would refuse is an error here, each with its own code: RFC 5280 for the times, RFC 9525 for the names.
"""

import ipaddress
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from freehold.errors import FreeholdError

SOON, SOON_OF_LIFE = timedelta(days=14), 1 / 4
"""What is left, at most, when a certificate's end begins to be told: ACME has renewed it at a third."""
OTHERS = 0o077  # mode bits of group and world

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")  # whoever asks wrote it: nothing of a URL may be in it
_UNREADABLE = (
    *(ValueError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What `cryptography` raises of a certificate that it does not understand, some of it only when it is asked."""

Fingerprint = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class Certificate:
    """What clients are told of a certificate: its names in lower case (DNS names and addresses), and its times."""

    names: tuple[str, ...]
    begins: datetime
    expires: datetime
    issuer: str

    def covers(self, host: str) -> bool:
        """Whether a client that asked for `host` accepts it; `*` stands for one whole label (RFC 9525, 6.3)."""
        host = _canonical(host)
        label, _, parent = host.partition(".")
        return host in self.names or (_LABEL.fullmatch(label) is not None and f"*.{parent}" in self.names)

    def days_left(self, now: datetime) -> float:
        """Days until its end, negative after it."""
        return (self.expires - now) / timedelta(days=1)


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate with its chain lies, and where its key; both may be one file. It must be for `wanted`."""

    certificate: Path
    key: Path
    wanted: tuple[str, ...] = ()
    use: Literal["server", "client"] = "server"

    def fingerprint(self) -> Fingerprint:
        """Changes whenever a file is written, replaced, or a link on the way to it is turned elsewhere."""
        return tuple(_identity(path) for path in (self.certificate, self.key))

    def read(self, now: datetime) -> Certificate:
        """The certificate, fit to be served with at `now`.

        Raises FreeholdError `tls_file_missing`, `tls_file_unreadable`, `tls_certificate_invalid`, `tls_key_invalid`,
        `tls_key_encrypted`, `tls_key_mismatch`, `tls_certificate_expired`, `tls_certificate_early`,
        `tls_certificate_nameless`, `tls_name_missing`.
        """
        certificate, public = self._first()
        if _public(_key_in(self.key)) != public:
            raise FreeholdError("tls_key_mismatch", key=self.key, path=self.certificate)
        self._check(certificate, now)
        return certificate

    def notes(self, certificate: Certificate, now: datetime) -> Iterator[FreeholdError]:
        """What is not wrong yet, in the form of errors that are never raised."""
        try:
            mode = self.key.stat().st_mode & 0o777
        except OSError:  # gone since it was read: who reads it next says so
            mode = 0
        if mode & OTHERS:
            yield FreeholdError("note_tls_key_open", path=self.key, mode=f"{mode:03o}")
        life = certificate.expires - certificate.begins
        if certificate.expires - now < min(SOON, life * SOON_OF_LIFE):
            yield FreeholdError("note_tls_ends_soon", path=self.certificate, **_end(certificate, now))

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have `context` show it. Raises FreeholdError `tls_certificate_refused` where OpenSSL does not take it."""
        try:
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ValueError) as error:  # an SSLError is an OSError; its text names no file and no key
            raise FreeholdError("tls_certificate_refused", path=self.certificate, reason=_reason(error)) from None

    def _first(self) -> tuple[Certificate, bytes]:
        """What the server's own certificate says of itself, and its public key in DER. All of it is parsed here."""
        try:
            leaf = x509.load_pem_x509_certificates(_bytes_of(self.certificate))[0]
            return described(leaf), _spki(leaf.public_key())
        except _UNREADABLE:
            raise FreeholdError("tls_certificate_invalid", path=self.certificate) from None

    def _check(self, certificate: Certificate, now: datetime) -> None:
        if now >= certificate.expires:
            raise FreeholdError("tls_certificate_expired", path=self.certificate, **_end(certificate, now))
        if now < certificate.begins:
            begins = f"{certificate.begins:%Y-%m-%d %H:%M} UTC"
            clock = f"{now:%Y-%m-%d %H:%M} UTC"
            raise FreeholdError("tls_certificate_early", path=self.certificate, begins=begins, now=clock)
        if self.use == "server" and not certificate.names:
            raise FreeholdError("tls_certificate_nameless", path=self.certificate)
        missing = [name for name in self.wanted if not certificate.covers(name)]
        if missing:
            found = ", ".join(certificate.names)
            raise FreeholdError("tls_name_missing", path=self.certificate, wanted=", ".join(missing), names=found)


def described(leaf: x509.Certificate) -> Certificate:
    """What a certificate says of itself. The common name counts for nothing: clients have stopped to look at it."""
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alternatives = x509.SubjectAlternativeName([])
    names: Sequence[str] = alternatives.get_values_for_type(x509.DNSName)
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    every = (*map(_canonical, names), *map(str, addresses))
    return Certificate(every, leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.issuer.rfc4514_string())


def now() -> datetime:
    """This machine's clock, by which certificates begin and end."""
    return datetime.now(UTC)


def load_authorities(context: ssl.SSLContext, path: str | Path, setting: str) -> None:
    """Have `context` believe the authorities of a PEM file. Raises FreeholdError `tls_authority_unreadable`."""
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise FreeholdError("tls_authority_unreadable", path=path, setting=setting, reason=_reason(error)) from None


def _key_in(path: Path) -> PrivateKeyTypes:
    raw = _bytes_of(path)
    try:
        return load_pem_private_key(raw, None)
    except TypeError:  # it wants a passphrase
        raise FreeholdError("tls_key_encrypted", path=path) from None
    except (ValueError, UnsupportedAlgorithm):  # its text could quote the file
        raise FreeholdError("tls_key_invalid", path=path) from None


def _public(key: PrivateKeyTypes) -> bytes:
    return _spki(key.public_key())


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FreeholdError("tls_file_missing", path=path) from None
    except OSError as error:
        raise FreeholdError("tls_file_unreadable", path=path, reason=_reason(error)) from None


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _end(certificate: Certificate, now: datetime) -> dict[str, object]:
    return {"expires": f"{certificate.expires:%Y-%m-%d %H:%M} UTC", "days": f"{abs(certificate.days_left(now)):.1f}"}


def _reason(error: Exception) -> str:
    told = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    if told:
        return str(told).replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _canonical(host: str) -> str:
    host = host.lower().strip("[]").rstrip(".")
    return str(ipaddress.ip_address(host)) if _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
