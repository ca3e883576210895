"""Certificates for tests: an authority of our own, and whatever it signs."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
LOOPBACK = ("localhost", "127.0.0.1")

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(kind: str = "ec") -> Key:
    """An ECDSA key on P-256, or an RSA one of 2048 bits."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: Key) -> bytes:
    """PKCS 8 without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Pair:
    """A certificate and its key in files, ready to be served with."""

    certificate: Path
    key: Path

    def client_context(self, authority: "Authority") -> ssl.SSLContext:
        """A client that trusts `authority` and shows this certificate."""
        context = authority.context()
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Signs certificates, and writes them into `folder`."""

    def __init__(self, folder: Path, name: str = "authority", lasts: timedelta = 365 * DAY) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = new_key()
        now = datetime.now(UTC)
        built = self._builder(self._key, now - DAY, now + lasts).subject_name(self._name)
        constrained = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(constrained.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def context(self) -> ssl.SSLContext:
        """A client that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.file))

    def issue(
        self,
        name: str = "server",
        names: tuple[str, ...] = LOOPBACK,
        *,
        begins: timedelta = -DAY,
        life: timedelta = 90 * DAY,
        kind: str = "ec",
    ) -> Pair:
        """`NAME.pem` and `NAME.key`, overwritten where they are; `begins` is relative to now."""
        key = new_key(kind)
        start = datetime.now(UTC) + begins
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._builder(key, start, start + life).subject_name(subject)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName([*map(_general, names)]), critical=False)
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        pair.certificate.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(pem_of(key))
        return pair

    def _builder(self, key: Key, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
