"""Certificates in files: everything that a client would refuse is said before it is served, each by its own code."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.http.certificate import Certificate, CertificateFiles, load_authorities, now
from freehold.http.tls import server_context
from tests.pki import DAY, Authority, Pair, new_key, pem_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs."""
    return Authority(tmp_path)


def files(pair: Pair, *wanted: str) -> CertificateFiles:
    return CertificateFiles(pair.certificate, pair.key, wanted)


def fault(found: CertificateFiles) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        found.read(now())
    return caught.value


def test_a_good_pair_says_what_it_is_for(authority: Authority) -> None:
    """Names in lower case, addresses, issuer, and how long it lasts."""
    pair = authority.issue(names=("Models.Corp.Example", "10.0.0.7", "::1"), life=10 * DAY)
    certificate = files(pair, "models.corp.example", "10.0.0.7").read(now())
    assert certificate.names == ("models.corp.example", "10.0.0.7", "::1")
    assert certificate.issuer == "CN=authority"
    assert 8.9 < certificate.days_left(now()) < 9.0


def test_both_may_lie_in_one_file_with_the_chain(authority: Authority) -> None:
    """The server's certificate first, then the others; the key anywhere."""
    pair = authority.issue()
    pair.certificate.write_bytes(pair.certificate.read_bytes() + authority.file.read_bytes() + pair.key.read_bytes())
    found = CertificateFiles(pair.certificate, pair.certificate)
    assert found.read(now()).covers("localhost")
    found.load_into(server_context())


def test_files_that_are_not_there_are_named(authority: Authority, tmp_path: Path) -> None:
    """Missing, or a folder."""
    pair = authority.issue()
    for found in (
        CertificateFiles(tmp_path / "none.pem", pair.key),
        CertificateFiles(pair.certificate, tmp_path / "none.pem"),
    ):
        error = fault(found)
        assert (error.code, error.details["path"]) == ("tls_file_missing", tmp_path / "none.pem")
    assert fault(CertificateFiles(tmp_path, pair.key)).code == "tls_file_unreadable"


def test_what_is_no_certificate_and_what_is_no_key(authority: Authority, tmp_path: Path) -> None:
    """Swapped files too, and a DER file."""
    pair = authority.issue()
    assert fault(CertificateFiles(pair.key, pair.key)).code == "tls_certificate_invalid"
    assert fault(CertificateFiles(pair.certificate, pair.certificate)).code == "tls_key_invalid"
    der = tmp_path / "server.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text()))
    error = fault(CertificateFiles(der, pair.key))
    assert error.code == "tls_certificate_invalid"
    assert f"-out {der}" in error.fix


def test_what_is_parsed_late_is_no_surprise(authority: Authority) -> None:
    """A certificate whose frame is right, and whose names are not: `cryptography` tells only when it is asked."""
    pair = authority.issue(names=("models.corp.example",))
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())
    broken = der.replace(b"models.corp.example", b"models\xffcorp.example")
    pair.certificate.write_text(ssl.DER_cert_to_PEM_cert(broken))
    assert fault(files(pair)).code == "tls_certificate_invalid"


def test_a_key_that_is_gone_is_no_end_of_the_watch(authority: Authority) -> None:
    """The daily word on a certificate is spoken while its files may be on their way to another place."""
    pair = authority.issue(life=2 * DAY)
    certificate = files(pair).read(now())
    pair.key.unlink()
    assert [note.code for note in files(pair).notes(certificate, now() + DAY)] == ["note_tls_ends_soon"]


def test_a_key_with_a_passphrase_is_told_how_to_lose_it(authority: Authority) -> None:
    """Nobody is there to type one."""
    pair = authority.issue()
    pair.key.write_bytes(new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")))
    assert fault(files(pair)).code == "tls_key_encrypted"


def test_a_key_of_another_certificate(authority: Authority) -> None:
    """Also where the chain begins with the authority."""
    pair = authority.issue()
    own = pair.key.read_bytes()
    pair.key.write_bytes(pem_of(new_key("rsa")))
    assert fault(files(pair)).code == "tls_key_mismatch"
    pair.key.write_bytes(own)
    pair.certificate.write_bytes(authority.file.read_bytes() + pair.certificate.read_bytes())
    assert fault(files(pair)).code == "tls_key_mismatch"


def test_a_certificate_that_is_over_and_one_that_has_not_begun(authority: Authority) -> None:
    """Each with the day."""
    over = fault(files(authority.issue(begins=-5 * DAY, life=2 * DAY)))
    assert (over.code, over.details["days"]) == ("tls_certificate_expired", "3.0")
    early = fault(files(authority.issue(begins=2 * DAY)))
    assert (early.code, str(early.details["begins"])[-3:]) == ("tls_certificate_early", "UTC")


def test_a_certificate_for_other_names(authority: Authority) -> None:
    """The wanted names that are missing, beside those that are there."""
    error = fault(files(authority.issue(names=("a.example", "*.b.example")), "x.b.example", "c.example"))
    assert error.code == "tls_name_missing"
    assert (error.details["wanted"], error.details["names"]) == ("c.example", "a.example, *.b.example")


def test_a_certificate_without_names_is_for_clients_only(authority: Authority) -> None:
    """No browser has looked at the common name for years; a client's certificate needs none."""
    pair = authority.issue(names=())
    assert fault(files(pair)).code == "tls_certificate_nameless"
    assert CertificateFiles(pair.certificate, pair.key, use="client").read(now()).names == ()


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        *(("a.example", True), ("A.Example", True), ("a.example.", True), ("b.a.example", False)),
        *(("x.w.example", True), ("w.example", False), ("x.y.w.example", False), (".w.example", False)),
        *(("10.0.0.7", True), ("10.0.0.8", False), ("[::1]", True), ("0:0:0:0:0:0:0:1", True), ("", False)),
    ],
)
def test_names_are_compared_as_clients_do(host: str, covered: bool) -> None:
    """Without case, a star for one label, addresses by value."""
    certificate = Certificate(("a.example", "*.w.example", "10.0.0.7", "::1"), AT, AT + DAY, "x")
    assert certificate.covers(host) is covered


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_text_is_covered_but_a_name(host: str) -> None:
    """Whatever a client calls us, it is a name of the certificate or refused; nothing raises."""
    certificate = Certificate(("a.example",), AT, AT + DAY, "x")
    assert certificate.covers(host) is (host.lower().strip("[]").rstrip(".") == "a.example")


def test_notes_on_a_key_that_others_can_read_and_on_an_end_that_is_near(authority: Authority) -> None:
    """With the fix; a key of our own and 90 days are nothing to note."""
    pair = authority.issue()
    found = files(pair)
    assert list(found.notes(found.read(now()), now())) == []
    pair.key.chmod(0o640)
    soon = now() + timedelta(days=80)
    notes = list(found.notes(found.read(soon), soon))
    assert [note.code for note in notes] == ["note_tls_key_open", "note_tls_ends_soon"]
    assert notes[0].fix.endswith(f"chmod 600 {pair.key}")


def test_a_weak_key_is_refused_in_openssls_words(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be read, and no client of today would take it."""
    weak = rsa.generate_private_key(65537, 1024)
    monkeypatch.setattr("tests.pki.new_key", lambda kind: weak)
    pair = authority.issue()
    with pytest.raises(FreeholdError) as caught:
        files(pair).load_into(server_context())
    assert (caught.value.code, caught.value.details["reason"]) == ("tls_certificate_refused", "ee key too small")


def test_authorities_are_read_or_said(authority: Authority, tmp_path: Path) -> None:
    """Missing, empty, and what is no PEM; with the setting that names it."""
    context = server_context()
    load_authorities(context, authority.file, "network.ca")
    assert len(context.get_ca_certs()) == 1
    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        with pytest.raises(FreeholdError) as caught:
            load_authorities(context, path, "network.ca")
        assert caught.value.code == "tls_authority_unreadable"
        assert str(path) in caught.value.cause


def _rewritten(pair: Pair) -> None:
    pair.key.write_bytes(pair.key.read_bytes() + b"\n")


def _replaced(pair: Pair) -> None:
    aside = pair.key.with_name("aside")
    aside.write_bytes(pair.key.read_bytes())
    aside.replace(pair.key)


def _removed(pair: Pair) -> None:
    pair.certificate.unlink()


@pytest.mark.parametrize("change", [_rewritten, _replaced, _removed])
def test_a_fingerprint_changes_with_the_files(authority: Authority, change: Callable[[Pair], None]) -> None:
    """Written, renamed over, taken away; and is the same while they stand still."""
    pair = authority.issue()
    before = files(pair).fingerprint()
    assert files(pair).fingerprint() == before
    change(pair)
    assert files(pair).fingerprint() != before
