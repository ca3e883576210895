"""Keys and signatures, and each way in which one does not hold."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from freehold.errors import FreeholdError
from freehold.store.signing import PublicKey, Signature, check, names, new_pair, read_private, read_public, sign

DIGEST, OCI_DIGEST, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
NEVER: Callable[[], bytes] = lambda: pytest.fail("no passphrase should be asked for")  # noqa: E731 - as an argument


@dataclass(frozen=True)
class Pair:
    """Two files and what is in them."""

    private: Path
    public: Path

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return read_private(self.private, NEVER)

    @property
    def trusted(self) -> PublicKey:
        return read_public(self.public)


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Pair]:
    """`pair(name, passphrase=b"")`: a new pair of files."""

    def make(name: str = "k", passphrase: bytes = b"") -> Pair:
        found = Pair(tmp_path / f"{name}.key", tmp_path / f"{name}.pub")
        for path, raw in zip((found.private, found.public), new_pair(passphrase), strict=True):
            path.write_bytes(raw)
        return found

    return make


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


def refusal(
    *, digests: tuple[str, ...] = (DIGEST, OCI_DIGEST), signatures: list[Signature], trusted: list[PublicKey]
) -> str:
    """The code of the error that a check ends in."""
    with pytest.raises(FreeholdError) as raised:
        check("m", digests, signatures, trusted)
    return raised.value.code


def test_a_signature_holds(pair: Callable[..., Pair]) -> None:
    """By either digest, and it is told whose it is and when it was made."""
    one = pair()
    signature = sign("m", DIGEST, OCI_DIGEST, one.key)
    for digests in ((DIGEST, OTHER), (OTHER, OCI_DIGEST)):
        signed = check("m", digests, [signature], [one.trusted])
        assert signed.key.fingerprint == one.trusted.fingerprint == signature.key
        assert signed.at is not None


def test_one_of_many_suffices(pair: Callable[..., Pair]) -> None:
    """Signatures of strangers beside it, and keys of people who did not sign, do no harm."""
    ours, stranger, colleague = pair("a"), pair("b"), pair("c")
    signatures = [sign("m", DIGEST, OCI_DIGEST, key) for key in (stranger.key, ours.key)]
    assert check("m", (DIGEST,), signatures, [colleague.trusted, ours.trusted]).key.path == ours.public


def test_each_way_to_fail_has_its_own_words(pair: Callable[..., Pair]) -> None:
    """None at all, another artifact's, a stranger's, and one that was changed."""
    ours, stranger = pair("a"), pair("b")
    good = sign("m", DIGEST, OCI_DIGEST, ours.key)
    assert refusal(signatures=[], trusted=[ours.trusted]) == "signature_missing"
    assert refusal(signatures=[good], trusted=[stranger.trusted]) == "signature_untrusted"
    assert refusal(signatures=[good], trusted=[]) == "signature_untrusted"
    other = sign("m", OTHER, OTHER, ours.key)
    assert refusal(signatures=[other], trusted=[ours.trusted]) == "signature_of_other"
    changed = msgspec.structs.replace(good, payload=good.payload.replace(b"aaaa", b"bbbb"))
    assert refusal(signatures=[changed], trusted=[ours.trusted]) == "signature_wrong"
    forged = msgspec.structs.replace(sign("m", DIGEST, OCI_DIGEST, stranger.key), key=good.key)
    assert refusal(signatures=[forged], trusted=[ours.trusted]) == "signature_wrong"


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"critical": {"type": "other"}}', b"\xff"])
def test_a_signed_document_of_another_sort_is_none(pair: Callable[..., Pair], payload: bytes) -> None:
    """The key may sign other things too; what it signed must say that this artifact is meant."""
    from freehold.store.signing import ALGORITHM

    ours = pair()
    signature = Signature(payload, ours.key.sign(payload, ALGORITHM), ours.trusted.fingerprint)
    assert not names(signature, (DIGEST,))
    assert refusal(signatures=[signature], trusted=[ours.trusted]) == "signature_of_other"


def test_the_payload_is_the_one_of_cosign(pair: Callable[..., Pair]) -> None:
    """The fields that cosign and its kin read, in their places."""
    payload = msgspec.json.decode(sign("m", DIGEST, OCI_DIGEST, pair().key).payload)
    assert payload["critical"] == {
        "identity": {"docker-reference": "m"},
        "image": {"docker-manifest-digest": OCI_DIGEST},
        "type": "cosign container image signature",
    }
    assert payload["optional"]["vnd.freehold.digest"] == DIGEST


def test_a_payload_without_our_notes_holds(pair: Callable[..., Pair]) -> None:
    """What cosign itself signs has `optional: null`, and names the OCI manifest."""
    from freehold.store.signing import ALGORITHM

    ours = pair()
    image = f'{{"docker-manifest-digest":"{OCI_DIGEST}"}}'
    kind = "cosign container image signature"
    text = f'{{"critical":{{"identity":{{}},"image":{image},"type":"{kind}"}},"optional":null}}'
    signature = Signature(text.encode(), ours.key.sign(text.encode(), ALGORITHM))
    assert check("m", (DIGEST, OCI_DIGEST), [signature], [ours.trusted]).at is None


def test_openssl_verifies_what_we_sign(pair: Callable[..., Pair], tmp_path: Path) -> None:
    """Anybody can check a signature with OpenSSL alone."""
    ours = pair()
    signature = sign("m", DIGEST, OCI_DIGEST, ours.key)
    (tmp_path / "payload").write_bytes(signature.payload)
    (tmp_path / "signature").write_bytes(signature.signature)
    words = ("dgst", "-sha256", "-verify", ours.public, "-signature", tmp_path / "signature", tmp_path / "payload")
    assert "Verified OK" in openssl(*words)


@pytest.mark.parametrize("encrypted", [False, True])
def test_keys_of_openssl_are_taken(tmp_path: Path, encrypted: bool) -> None:
    """A company's own key, made by its own tool, with or without a passphrase."""
    private, public = tmp_path / "o.key", tmp_path / "o.pub"
    lock = ("-aes-256-cbc", "-pass", "pass:sesame") if encrypted else ()
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", *lock, "-out", private)
    openssl("pkey", "-in", private, "-passin", "pass:sesame", "-pubout", "-out", public)
    signature = sign("m", DIGEST, OCI_DIGEST, read_private(private, lambda: b"sesame" if encrypted else NEVER()))
    assert check("m", (DIGEST,), [signature], [read_public(public)])


def test_a_passphrase_locks_a_key(pair: Callable[..., Pair]) -> None:
    """The right one opens it; a wrong or empty one is an error that says so."""
    locked = pair("l", b"open sesame")
    assert b"ENCRYPTED" in locked.private.read_bytes()
    assert read_private(locked.private, lambda: b"open sesame")
    for wrong in (b"sesame", b""):
        with pytest.raises(FreeholdError) as raised:
            read_private(locked.private, lambda wrong=wrong: wrong)  # type: ignore[misc] # the loop's value
        assert raised.value.code == "signing_passphrase_wrong"


def test_keys_that_are_none(tmp_path: Path, pair: Callable[..., Pair]) -> None:
    """A file that is not there, no key, the wrong half, another curve or algorithm, cosign's own encryption."""
    ours = pair()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "broken").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    (tmp_path / "cosign").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END\n")
    openssl("genpkey", "-algorithm", "ED25519", "-out", tmp_path / "ed")
    openssl("pkey", "-in", tmp_path / "ed", "-pubout", "-out", tmp_path / "ed.pub")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", tmp_path / "p384")
    privates = {"none": "unreadable", "text": "unreadable", "ed": "unsupported", "p384": "unsupported"}
    privates |= {"cosign": "unsupported", ours.public.name: "unreadable"}
    for name, code in privates.items():
        with pytest.raises(FreeholdError) as raised:
            read_private(tmp_path / name, NEVER)
        assert raised.value.code == f"signing_key_{code}", name
    publics = {"none": "unreadable", "text": "unreadable", "broken": "unreadable", "ed.pub": "unsupported"}
    publics |= {ours.private.name: "private"}
    for name, code in publics.items():
        with pytest.raises(FreeholdError) as raised:
            read_public(tmp_path / name)
        assert raised.value.code == f"signing_key_{code}", name
