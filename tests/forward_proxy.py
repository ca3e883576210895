"""A real forward proxy, Debian's tinyproxy, and certificates of an own authority for servers behind it.

Clients reach servers of this machine as 0.0.0.0: Linux takes that for the machine itself, and unlike 127.0.0.1 no rule
exempts it from proxies.
"""

import datetime
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.docker_registry import free_port

OTHERWISE = "0.0.0.0"
PATIENCE_S = 30.0  # only a broken test waits this long


@dataclass(frozen=True)
class Proxy:
    """The proxy's address, and what it wrote about its requests."""

    url: str
    log: Path

    def requests(self) -> list[str]:
        """The request lines that it has seen: `CONNECT HOST:PORT`, `GET http://...`."""
        lines = self.log.read_text().splitlines()
        return [line.split("): ", 1)[1] for line in lines if "Request (file descriptor" in line]


@contextmanager
def forward_proxy(folder: Path, login: str = "") -> Iterator[Proxy]:
    """Start tinyproxy with its files in `folder`; `login` ("user password") is asked for, when given."""
    program = shutil.which("tinyproxy")
    assert program is not None, "tinyproxy is not installed: apt-get install tinyproxy"
    port = free_port()
    settings, log = folder / "tinyproxy.conf", folder / "tinyproxy.log"
    log.touch()
    rules = [f"Port {port}", "Listen 127.0.0.1", f'LogFile "{log}"', "LogLevel Connect", "MaxClients 50", "Timeout 30"]
    settings.write_text("\n".join([*rules, *([f"BasicAuth {login}"] if login else []), ""]))
    process = subprocess.Popen(
        [program, "-d", "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit:
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        yield Proxy(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@dataclass(frozen=True)
class Authority:
    """An authority that no system knows: its PEM file, and the settings of a server that it vouches for."""

    ca: Path
    server: ssl.SSLContext


def authority(folder: Path) -> Authority:
    """A new authority, and a certificate of it for this machine under each of its addresses."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Corp CA", "localhost")]
    here = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", OTHERWISE)]
    key_usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)

    def certificate(of: int, extensions: list[x509.ExtensionType]) -> bytes:
        builder = x509.CertificateBuilder(names[0], names[of], keys[of].public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        marks = [
            x509.SubjectKeyIdentifier.from_public_key(keys[of].public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()),
        ]
        for extension in [*extensions, *marks]:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca, server = folder / "ca.pem", folder / "server.pem"
    ca.write_bytes(certificate(0, [x509.BasicConstraints(ca=True, path_length=None), key_usage]))
    alternative = x509.SubjectAlternativeName([x509.DNSName("localhost"), *here])
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server.write_bytes(certificate(1, [x509.BasicConstraints(ca=False, path_length=None), alternative]) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return Authority(ca, context)
