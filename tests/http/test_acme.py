"""Certificates from a real ACME server (Pebble): issued, served, renewed, taken up; and when it is asked again."""

import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.config import Acme, Network
from freehold.errors import FreeholdError
from freehold.http import bind
from freehold.http.acme import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    AcmeRenewal,
    Authority,
    acme_files,
    pause_s,
    renewal_due,
    store,
)
from freehold.http.certificate import Certificate, now
from freehold.http.tls import Https
from freehold.telemetry import Telemetry
from tests.pebble import Pebble, free_port, pebble
from tests.pki import pem_of

MONTHS_S = 90 * 86400
DOMAINS = ("models.corp.example", "chat.corp.example")
Serving = Callable[..., Any]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """One Pebble for all tests; it asks at `http_port`."""
    with pebble(tmp_path_factory.mktemp("pebble"), MONTHS_S) as running:
        yield running


class Site:
    """A server with HTTPS by ACME, and what a test moves: its clock."""

    def __init__(self, authority: Pebble, home: Path, serving: Serving, **settings: Any) -> None:
        self.ahead = timedelta()
        self.telemetry = Telemetry("test", process=False)
        acme = Acme(DOMAINS, authority.directory, "ops@corp.example", str(authority.ca), accept_terms=True)
        self.files = acme_files(home, acme)
        self.failures = self.telemetry.certificate_failures.of("server")
        self.renewal = AcmeRenewal(
            Authority.of(acme, Network(), home, {}), self.files, self.failures.inc, self.clock, **settings
        )
        self.https = Https(self.files, self.telemetry, renewal=self.renewal, every_s=0.02)
        self.https.plain = bind("127.0.0.1", authority.http_port)
        self.live = serving(https=self.https)
        self.context = ssl.create_default_context(cafile=str(authority.root))

    def clock(self) -> datetime:
        return now() + self.ahead

    def client(self) -> httpx.Client:
        """A client that finds the first domain at this machine."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.live.port}", verify=self.context, headers={"host": DOMAINS[0]}
        )

    def begins(self) -> datetime | None:
        certificate = self.https.certificate
        return None if certificate is None else certificate.begins


def ask(client: httpx.Client) -> int:
    return client.get("/livez", extensions={"sni_hostname": DOMAINS[0]}).status_code


def test_issued_served_renewed_and_taken_up(
    authority: Pebble, tmp_path: Path, serving: Serving, eventually: Eventually
) -> None:
    """It starts with nothing, waits for the first certificate, and gets the next one while a client stays connected."""
    site = Site(authority, tmp_path / "home", serving, look_s=0.02)
    eventually(lambda: site.https.certificate is not None)
    first = site.https.certificate
    assert first is not None
    assert first.names == DOMAINS
    assert site.files.certificate.stat().st_mode & 0o777 == 0o600
    with site.client() as client:
        assert ask(client) == 200
        old = site.files.certificate.read_bytes()
        site.ahead = timedelta(days=61)
        eventually(lambda: site.files.certificate.read_bytes() != old)
        site.ahead = timedelta()  # the new one begins now, and is not to be renewed in a circle
        renewed = site.files.read(now())
        eventually(lambda: site.https.certificate == renewed)
        assert ask(client) == 200
    with site.client() as another:
        assert ask(another) == 200
    assert (site.failures.value, site.renewal.error, site.renewal.challenges) == (0.0, None, {})
    site.renewal.stop()
    assert site.renewal.busy is False


@pytest.mark.soak
def test_certificates_of_seconds_are_renewed_by_themselves(
    tmp_path: Path, serving: Serving, eventually: Eventually
) -> None:
    """With the real clock: three lives of ten seconds, the name answered at every moment."""
    with pebble(tmp_path / "pebble", 10) as short:
        site = Site(short, tmp_path / "home", serving)
        eventually(lambda: site.https.certificate is not None)
        seen = set()
        for _ in range(2):
            seen.add(site.begins())
            eventually(lambda: site.begins() not in seen)
            with site.client() as client:
                assert ask(client) == 200


def test_an_account_is_kept_and_used_again(authority: Pebble, tmp_path: Path) -> None:
    """One key a directory, for this user alone; a second order by it is no second account."""
    acme = Acme(DOMAINS, authority.directory, None, str(authority.ca), accept_terms=True)
    known = Authority.of(acme, Network(), tmp_path, {})
    uris = set()
    for _ in range(2):
        account = known._known().net.account
        assert account is not None
        uris.add(account.uri)
    assert len(uris) == 1
    assert known.account.stat().st_mode & 0o777 == 0o600
    assert known.account.parent.stat().st_mode & 0o777 == 0o700


def test_a_name_that_is_not_ours_is_told_and_the_old_certificate_stays(
    authority: Pebble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody answers on the port: the authority's words with the name; no key in the log, no challenge left."""
    acme = Acme(("gone.corp.example",), authority.directory, None, str(authority.ca), accept_terms=True)
    files = acme_files(tmp_path, acme)
    store(files.certificate, b"what was there")
    counted: list[int] = []
    renewal = AcmeRenewal(Authority.of(acme, Network(), tmp_path, {}), files, lambda: counted.append(1))
    with caplog.at_level(logging.DEBUG, "freehold"):
        assert renewal.renew() is False
    assert renewal.error is not None
    assert (renewal.error.code, renewal.error.details["domain"]) == ("acme_unproven", "gone.corp.example")
    assert (counted, renewal.challenges) == ([1], {})
    assert files.certificate.read_bytes() == b"what was there"
    assert "PRIVATE" not in caplog.text


def fault(acme: Acme, home: Path, network: Network | None = None) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        Authority.of(acme, network or Network(), home, {}).certify({})
    return caught.value


def test_what_an_authority_refuses_is_told_in_its_words(authority: Pebble, tmp_path: Path) -> None:
    """Terms that were not accepted, here."""
    error = fault(Acme(DOMAINS, authority.directory, None, str(authority.ca)), tmp_path)
    assert error.code == "acme_refused"
    assert "terms" in str(error.details["reason"])


def test_a_directory_that_cannot_be_reached_trusted_or_read(authority: Pebble, tmp_path: Path) -> None:
    """Nobody listens; its authority is not known; what answers is no directory; its own CA cannot be read."""
    ca = str(authority.ca)
    told = {
        f"https://127.0.0.1:{free_port()}/dir": ("acme_unreachable", "no connection to it"),
        authority.directory.replace("/dir", "/nowhere"): ("acme_unreachable", "it does not speak ACME"),
    }
    for directory, expected in told.items():
        error = fault(Acme(DOMAINS, directory, None, ca, accept_terms=True), tmp_path)
        assert (error.code, error.details["reason"]) == expected
    strange = fault(Acme(DOMAINS, authority.directory, accept_terms=True), tmp_path)
    assert "authority that is trusted" in str(strange.details["reason"])
    unread = fault(Acme(DOMAINS, authority.directory, None, str(tmp_path / "none.pem"), accept_terms=True), tmp_path)
    assert (unread.code, unread.details["setting"]) == ("tls_authority_unreadable", "server.tls.acme.ca")
    by_network = fault(Acme(DOMAINS, authority.directory), tmp_path, Network(ca=ca))
    assert by_network.code == "acme_refused"


def test_a_broken_account_is_said_and_not_overwritten(tmp_path: Path) -> None:
    """It may be somebody's only key."""
    acme = Acme(DOMAINS, "https://127.0.0.1:1/dir", accept_terms=True)
    account = Authority.of(acme, Network(), tmp_path, {}).account
    from tests.pki import new_key

    for content, reason in ((b"nothing", "no key in PEM"), (pem_of(new_key("rsa")), "not ECDSA")):
        store(account, content)
        error = fault(acme, tmp_path)
        assert error.code == "acme_account_broken"
        assert reason in str(error.details["reason"])
        assert account.read_bytes() == content


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Before an authority is asked for what could not be kept."""
    (tmp_path / "tls").write_text("a file")
    error = fault(Acme(DOMAINS, "https://127.0.0.1:1/dir"), tmp_path)
    assert error.code == "acme_home_unwritable"


def test_what_was_issued_and_not_written_is_not_ordered_again(
    authority: Pebble, tmp_path: Path, serving: Serving, eventually: Eventually
) -> None:
    """A disk that is full for an hour would else cost all that an authority issues of these names in a week."""
    site = Site(authority, tmp_path / "home", serving)
    eventually(lambda: site.https.certificate is not None)
    site.files.certificate.unlink()
    site.files.certificate.mkdir()  # as good as a full disk: nothing can be put here
    assert site.renewal.renew() is False
    assert site.renewal.error is not None
    assert site.renewal.error.code == "acme_home_unwritable"
    issued = site.renewal._unwritten
    site.files.certificate.rmdir()
    assert site.renewal.renew() is True
    assert site.files.certificate.read_bytes() == issued
    assert (site.renewal.error, site.renewal._unwritten) == (None, b"")


@pytest.mark.parametrize("document", ["[]", "5", "null", "{}", '{"newNonce": 5}', '{"newNonce": {}, "meta": []}'])
def test_an_answer_of_another_shape_is_an_error_like_others(tmp_path: Path, document: str) -> None:
    """The thread that renews lives on, whatever a broken directory says."""

    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *said: Any) -> None:
            """Not here."""

    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        answering = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        answering.start()
        try:
            error = fault(Acme(DOMAINS, f"http://127.0.0.1:{server.server_port}/dir", accept_terms=True), tmp_path)
        finally:
            server.shutdown()
            answering.join()
    assert (error.code, error.details["reason"]) == ("acme_unreachable", "it does not speak ACME")


def test_a_certificate_that_is_due_at_once_is_not_asked_for_in_a_circle(
    authority: Pebble, tmp_path: Path, serving: Serving, eventually: Eventually
) -> None:
    """A clock that is months ahead costs one order, then a pause."""
    site = Site(authority, tmp_path / "home", serving, look_s=0.02)
    eventually(lambda: site.https.certificate is not None)
    site.ahead = timedelta(days=400)
    old = site.files.certificate.read_bytes()
    eventually(lambda: site.files.certificate.read_bytes() != old)
    once = site.files.certificate.read_bytes()
    site.renewal._ends.wait(0.3)
    assert site.files.certificate.read_bytes() == once


def test_a_certificate_is_renewed_at_two_thirds_of_its_life() -> None:
    """Spread over a twentieth of it before, so that machines do not come together."""
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = Certificate(("a",), begins, begins + timedelta(days=90), "x")
    assert renewal_due(certificate, 0.0) == begins + timedelta(days=60)
    assert renewal_due(certificate, 1.0) == begins + timedelta(days=55.5)


def test_pauses_grow_and_end_growing() -> None:
    """Two minutes, doubling, up to six hours; with up to a tenth more."""
    assert [pause_s(failures, 0.0) for failures in (1, 2, 3)] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pause_s(10_000, 0.0) == LONGEST_PAUSE_S
    assert pause_s(1, 1.0) == pytest.approx(1.1 * FIRST_PAUSE_S)


def test_each_directory_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """An account belongs to one authority; the names of the file and of the folder cannot climb out."""
    one = acme_files(tmp_path, Acme(("A.example",), "https://ca.example/../../dir"))
    assert one.certificate == tmp_path / "tls" / "ca.example-..-..-dir" / "a.example.pem"
    assert one.key == one.certificate
    assert acme_files(tmp_path, Acme(("a.example",))).certificate.parent != one.certificate.parent
