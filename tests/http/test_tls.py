"""HTTPS with real handshakes: what is refused, what is replaced while connections live, and mutual TLS."""

import logging
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from freehold.errors import FreeholdError
from freehold.http import Bounds
from freehold.http.certificate import CertificateFiles, now
from freehold.http.tls import CIPHERS, REMIND_EVERY, Https, server_context
from freehold.telemetry import Telemetry
from tests.pki import Authority, Pair

Serving = Callable[..., Any]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def telemetry() -> Telemetry:
    """What the certificates are counted in."""
    return Telemetry("test", process=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom the clients of a test trust."""
    return Authority(tmp_path / "pki")


def https(pair: Pair, telemetry: Telemetry, **settings: Any) -> Https:
    return Https(CertificateFiles(pair.certificate, pair.key), telemetry, every_s=0.02, **settings)


def shown(port: int, context: ssl.SSLContext, name: str | None = "localhost") -> x509.Certificate:
    """The certificate that a new connection is shown."""
    context.check_hostname = name is not None
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")


def serial(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


def test_requests_are_answered_and_browsers_told_to_stay(
    serving: Serving, authority: Authority, telemetry: Telemetry
) -> None:
    """HTTP/1.1 over TLS, kept alive, with HSTS on every answer, errors included."""
    live = serving(https=https(authority.issue(), telemetry, hsts_s=600))
    with httpx.Client(base_url=f"https://localhost:{live.port}", verify=authority.context()) as client:
        answers = [client.post("/v1/echo", content=b"x" * 200_000), client.get("/nowhere")]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert len(answers[0].content) == 200_000
    assert {answer.headers["strict-transport-security"] for answer in answers} == {"max-age=600"}


def test_a_stream_leaves_frame_by_frame(serving: Serving, authority: Authority, telemetry: Telemetry) -> None:
    """Frames are not gathered by TLS; without `hsts_s` browsers are told nothing."""
    live = serving(https=https(authority.issue(), telemetry))
    with (
        httpx.Client(verify=authority.context()) as client,
        client.stream("GET", f"https://localhost:{live.port}/v1/stream?before=3&after=2") as answer,
    ):
        assert "strict-transport-security" not in answer.headers
        assert answer.read().count(b"data: ") == 5


@pytest.mark.parametrize(
    ("version", "refused"),
    [(ssl.TLSVersion.TLSv1_1, True), (ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, False)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # the old one is what is tested
def test_old_protocols_are_refused(
    serving: Serving, authority: Authority, telemetry: Telemetry, version: ssl.TLSVersion, refused: bool
) -> None:
    """As curl with --tls-max: TLS 1.1 gets no connection, 1.2 and 1.3 do."""
    live = serving(https=https(authority.issue(), telemetry))
    client = authority.context()
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    if refused:
        with pytest.raises(ssl.SSLError):
            shown(live.port, client)
    else:
        assert shown(live.port, client)


def test_weak_ciphers_are_not_offered(serving: Serving, authority: Authority, telemetry: Telemetry) -> None:
    """A client that knows only CBC or no forward secrecy is refused; what is offered is AEAD with ECDHE."""
    live = serving(https=https(authority.issue(kind="rsa"), telemetry))
    client = authority.context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384")
    with pytest.raises(ssl.SSLError):
        shown(live.port, client)
    offered = {cipher["name"] for cipher in server_context().get_ciphers()}
    assert {name for name in offered if not name.startswith("TLS_")} == {*CIPHERS.split(":")}


def test_a_handshake_that_never_ends_is_cut(serving: Serving, authority: Authority, telemetry: Telemetry) -> None:
    """A client that says nothing, or half a hello, is let go within the time that a request's head has."""
    live = serving(https=https(authority.issue(), telemetry), bounds=Bounds(head_s=0.2))
    for half in (b"", b"\x16\x03\x01\x02\x00\x01"):
        client = live.connect()
        client.send(half)
        assert client.closed()


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_new_certificate_is_taken_up_while_connections_live(
    serving: Serving, authority: Authority, telemetry: Telemetry, eventually: Eventually, kind: str
) -> None:
    """Also one with another kind of key; who is connected stays so, and the metric tells the new end."""
    old = authority.issue()
    live = serving(https=https(old, telemetry))
    first = serial(old)
    with httpx.Client(base_url=f"https://localhost:{live.port}", verify=authority.context()) as client:
        assert client.get("/livez").status_code == 200
        new = authority.issue(life=timedelta(days=200), kind=kind)
        eventually(lambda: shown(live.port, authority.context()).serial_number == serial(new))
        stream = client.get("/livez").extensions["network_stream"]
        kept = x509.load_der_x509_certificate(stream.get_extra_info("ssl_object").getpeercert(True))
    assert kept.serial_number == first
    ends = x509.load_pem_x509_certificate(new.certificate.read_bytes()).not_valid_after_utc.timestamp()
    assert telemetry.certificate_expires.of("server").value == ends


def test_a_link_that_is_turned_elsewhere_is_a_change(
    serving: Serving, authority: Authority, telemetry: Telemetry, eventually: Eventually, tmp_path: Path
) -> None:
    """As Kubernetes replaces mounted secrets: the files stay, a link above them is renamed over."""
    pairs = [authority.issue(name) for name in ("one", "two")]
    for name, pair in zip(("first", "second"), pairs, strict=True):
        (tmp_path / name).mkdir()
        pair.certificate.rename(tmp_path / name / "tls.crt")
        pair.key.rename(tmp_path / name / "tls.key")
    data = tmp_path / "data"
    data.symlink_to("first")
    mounted = Pair(data / "tls.crt", data / "tls.key")
    live = serving(https=https(mounted, telemetry))
    before = serial(mounted)
    assert shown(live.port, authority.context()).serial_number == before
    (tmp_path / "aside").symlink_to("second")
    (tmp_path / "aside").replace(data)
    eventually(lambda: shown(live.port, authority.context()).serial_number == serial(mounted) != before)


def test_a_broken_new_certificate_keeps_the_old_one(
    serving: Serving,
    authority: Authority,
    telemetry: Telemetry,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Said once, with its fix, and counted; the next good one is taken up."""
    pair = authority.issue()
    first = serial(pair)
    served = https(pair, telemetry)
    live = serving(https=served)
    with caplog.at_level(logging.ERROR):
        authority.issue(life=timedelta(hours=1))  # which ended 23 hours ago
        failures = telemetry.certificate_failures.of("server")
        eventually(lambda: failures.value == 1.0)
        assert shown(live.port, authority.context()).serial_number == first
    assert [record.message.partition(" ended on ")[0] for record in caplog.records] == [
        f"The certificate in {pair.certificate}"
    ]
    assert [error.code for error in served.troubles()] == ["tls_certificate_expired"]
    good = authority.issue()
    eventually(lambda: shown(live.port, authority.context()).serial_number == serial(good))
    assert (failures.value, served.troubles()) == (1.0, [])


def test_what_is_taken_back_is_no_trouble(
    serving: Serving, authority: Authority, telemetry: Telemetry, eventually: Eventually, tmp_path: Path
) -> None:
    """A broken pair that is replaced by the one in use is said no longer."""
    pair = authority.issue()
    served = https(pair, telemetry)
    serving(https=served)
    kept = tmp_path / "kept"
    pair.key.rename(kept)
    eventually(lambda: [error.code for error in served.troubles()] == ["tls_file_missing"])
    kept.rename(pair.key)
    eventually(lambda: served.troubles() == [])


def test_files_are_read_once_they_stand_still(authority: Authority, telemetry: Telemetry) -> None:
    """A certificate that is written before its key is no failure: both are read after both are there."""
    pair = authority.issue()
    served = https(pair, telemetry)
    served.load()
    half = pair.certificate.read_bytes()
    authority.issue()
    pair.certificate.write_bytes(half)
    with pytest.raises(FreeholdError) as caught:
        served.load()
    assert (caught.value.code, served.error) == ("tls_key_mismatch", None)
    assert served.certificate is not None


def test_clients_must_show_a_certificate_of_the_authority(
    serving: Serving, authority: Authority, telemetry: Telemetry, tmp_path: Path
) -> None:
    """Mutual TLS: one of ours is let in; none, or one of another authority, is not, whatever the key would say."""
    live = serving(https=https(authority.issue(), telemetry, client_ca=authority.file))
    stranger = Authority(tmp_path / "other", "stranger").issue("client", ())
    known = authority.issue("client", ()).client_context(authority)
    url = f"https://localhost:{live.port}/livez"
    assert httpx.get(url, verify=known).status_code == 200
    for context in (authority.context(), stranger.client_context(authority)):
        with pytest.raises(httpx.TransportError):
            httpx.get(url, verify=context)


def test_an_authority_of_clients_is_replaced_too(
    serving: Serving, authority: Authority, telemetry: Telemetry, eventually: Eventually, tmp_path: Path
) -> None:
    """One that is taken out of `client_ca` is not believed any more."""
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(authority.file.read_bytes())
    live = serving(https=https(authority.issue(), telemetry, client_ca=trusted))
    client = authority.issue("client", ()).client_context(authority)

    def lets_in() -> bool:
        try:
            return httpx.get(f"https://localhost:{live.port}/livez", verify=client).status_code == 200
        except httpx.TransportError:
            return False

    assert lets_in()
    aside = tmp_path / "aside.pem"
    aside.write_bytes(Authority(tmp_path / "other", "other").file.read_bytes())
    aside.replace(trusted)
    eventually(lambda: not lets_in())


def test_an_unreadable_authority_of_clients_is_said_at_load(authority: Authority, telemetry: Telemetry) -> None:
    """Nothing is served to clients that cannot be told apart."""
    pair = authority.issue()
    with pytest.raises(FreeholdError) as caught:
        https(pair, telemetry, client_ca=pair.key).load()
    assert caught.value.code == "tls_authority_unreadable"
    assert caught.value.details["setting"] == "server.tls.client_ca"


def test_a_server_without_a_fit_certificate_does_not_start(authority: Authority, telemetry: Telemetry) -> None:
    """`load` raises and nothing is shown."""
    served = https(authority.issue(begins=timedelta(days=1)), telemetry)
    with pytest.raises(FreeholdError) as caught:
        served.load()
    assert caught.value.code == "tls_certificate_early"
    assert (served.certificate, served.host, served.covers("localhost")) == (None, None, False)


def test_the_end_is_told_once_a_day(
    authority: Authority, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate with nine days left is warned of at load and a day later, not in between."""
    at = [now()]
    served = https(authority.issue(begins=timedelta(days=-81)), telemetry, clock=lambda: at[0])
    with caplog.at_level(logging.WARNING):
        served.load()
        for step in (REMIND_EVERY / 2, REMIND_EVERY / 2, REMIND_EVERY / 2):
            at[0] += step
            served._remind()
    assert [record.levelname for record in caplog.records if " ends on " in record.message] == ["WARNING"] * 2


def test_the_key_is_in_no_log(authority: Authority, telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """Neither when it is loaded nor when it is refused."""
    pair = authority.issue()
    secret = pair.key.read_text().splitlines()[1]
    pair.key.chmod(0o644)
    with caplog.at_level(logging.DEBUG):
        served = https(pair, telemetry)
        served.load()
        pair.certificate.write_text("nothing")
        with pytest.raises(FreeholdError) as caught:
            served.load()
    assert secret not in caplog.text + str(caught.value) + repr(vars(served))
    assert "chmod 600" in str([getattr(record, "fix", "") for record in caplog.records])
