"""A token service as the distribution project describes it: passwords in, signed tokens for one scope out."""

import base64
import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.docker_registry import in_background

ISSUER, SERVICE = "test-issuer", "test-registry"
LOGIN = "anna", "open sesame"
IDENTITY_TOKEN = "identity"


@dataclass
class TokenService:
    """What it was asked for, in order, and how many seconds its tokens last."""

    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    lasts_s: float = 60.0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    url: str = ""

    def certificate(self) -> x509.Certificate:
        """What the registry trusts."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
        ability = x509.BasicConstraints(ca=True, path_length=None)
        return builder.add_extension(ability, critical=True).sign(self.key, hashes.SHA256())

    def registry_settings(self, folder: Path) -> str:
        """The block of the registry's configuration that sends its clients here."""
        bundle = folder / "token.pem"
        self._certificate = self.certificate()
        bundle.write_bytes(self._certificate.public_bytes(Encoding.PEM))
        return (
            f"auth: {{token: {{realm: '{self.url}/token', service: {SERVICE}, issuer: {ISSUER},"
            f" rootcertbundle: '{bundle}'}}}}\n"
        )

    def token(self, scopes: tuple[str, ...], user: str) -> str:
        """A JWT (RFC 7519, ES256) that allows `scopes`."""
        now = datetime.datetime.now(datetime.UTC).timestamp()
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        chain = base64.b64encode(self._certificate.public_bytes(Encoding.DER)).decode()
        head = {"typ": "JWT", "alg": "ES256", "x5c": [chain]}
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "jti": "1", "access": access}
        # Registries forgive a minute of difference between clocks.
        claims |= {"nbf": int(now) - 100, "iat": int(now) - 100, "exp": int(now + self.lasts_s)}
        signed = f"{_plain(head)}.{_plain(claims)}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@contextmanager
def token_service() -> Iterator[TokenService]:
    """A service that listens on this machine."""
    service = TokenService()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = base64.b64encode(":".join(LOGIN).encode()).decode()
            scopes = tuple(parse_qs(urlsplit(self.path).query).get("scope", ()))
            self._answer(self.headers.get("Authorization") == f"Basic {expected}", scopes, "password")

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            scopes = tuple(form.get("scope", [""])[0].split())
            self._answer(form["refresh_token"] == [IDENTITY_TOKEN], scopes, "identity")

        def _answer(self, allowed: bool, scopes: tuple[str, ...], way: str) -> None:
            service.asked.append((way, scopes))
            name = "access_token" if way == "identity" else "token"
            body = json.dumps({name: service.token(scopes, LOGIN[0])} if allowed else {"errors": []}).encode()
            self.send_response_only(200 if allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server, in_background(server):
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield service


def _plain(document: dict[str, object]) -> str:
    return _text(json.dumps(document).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
