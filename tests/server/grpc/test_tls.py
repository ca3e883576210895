"""HTTPS's certificate on gRPC's port: one that is replaced, and those that clients show."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from freehold.http.certificate import CertificateFiles
from freehold.http.tls import Https
from freehold.telemetry import Telemetry
from tests.pki import Authority, Pair

LIVE = "/inference.GRPCInferenceService/ServerLive"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom the clients of a test trust."""
    return Authority(tmp_path / "pki")


def https(pair: Pair, **settings: Any) -> Https:
    """What a listener shows, loaded."""
    one = Https(CertificateFiles(pair.certificate, pair.key), Telemetry(process=False), **settings)
    one.load()
    return one


def is_live(place: str, authority: Authority, shown: Pair | None = None) -> bool:
    """Whether a client that trusts `authority`, and shows a certificate where told, is answered."""
    own = (
        {}
        if shown is None
        else {"private_key": shown.key.read_bytes(), "certificate_chain": shown.certificate.read_bytes()}
    )
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes(), **own)
    name = (("grpc.ssl_target_name_override", "localhost"),)
    with grpc.secure_channel(place, credentials, name) as channel:
        try:
            answer: bytes = channel.unary_unary(LIVE)(b"", timeout=10)
        except grpc.RpcError:
            return False
    return answer == b"\x08\x01"


def test_a_replaced_certificate_is_shown(serve_grpc: Callable[..., Any], authority: Authority) -> None:
    """From the next handshake on, without a restart; strangers to its authority are refused."""
    secured = https(authority.issue())
    node = serve_grpc([], https=secured)
    assert is_live(node.place, authority)
    assert not is_live(node.place, Authority(authority.folder, "stranger"))
    pair = authority.issue()
    secured.load()
    host, _, port = node.place.rpartition(":")
    seen = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode())
    assert seen == x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def test_clients_show_their_certificates_where_that_is_asked(
    serve_grpc: Callable[..., Any], authority: Authority
) -> None:
    """Without one, or with a stranger's, nothing is answered."""
    node = serve_grpc([], https=https(authority.issue(), client_ca=authority.file))
    stranger = Authority(authority.folder, "stranger")
    assert is_live(node.place, authority, authority.issue("client"))
    assert not is_live(node.place, authority)
    assert not is_live(node.place, authority, stranger.issue("other"))
