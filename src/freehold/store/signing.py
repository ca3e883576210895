"""Signatures of artifacts: made and checked offline, with keys of the user's own.

A signature is ECDSA on P-256 with SHA-256 (FIPS 186-5) over a "simple signing" document, the form of containers/image
and of cosign: it names what is signed by digest. Ours names the OCI manifest, as cosign does, and besides it the
artifact, so that a folder can be checked without the manifest that a registry has of it. Keys are PEM files as OpenSSL
and cosign's public ones are: PKCS 8, with or without a passphrase, and SubjectPublicKeyInfo.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from freehold import __version__
from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

PAYLOAD_TYPE = "cosign container image signature"
ALGORITHM = ec.ECDSA(hashes.SHA256())
SHOWN = 19  # "sha256:" and 12 digits

_COSIGN_OWN = (b"ENCRYPTED COSIGN PRIVATE KEY", b"ENCRYPTED SIGSTORE PRIVATE KEY")


class Signature(msgspec.Struct, frozen=True):
    """What was signed, and the signature. `key` is the fingerprint of the signer's key: a hint that proves nothing."""

    payload: bytes
    signature: bytes
    key: str = ""


class _Image(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Identity(msgspec.Struct, frozen=True):
    reference: str = msgspec.field(name="docker-reference", default="")


class _Critical(msgspec.Struct, frozen=True):
    identity: _Identity
    image: _Image
    type: str


class _Notes(msgspec.Struct, frozen=True, omit_defaults=True):
    artifact: str = msgspec.field(name="vnd.freehold.digest", default="")
    creator: str = ""
    timestamp: int = 0  # seconds since 1970


class _Payload(msgspec.Struct, frozen=True):
    critical: _Critical
    optional: _Notes | None = None


@dataclass(frozen=True)
class PublicKey:
    """Whom to believe; `fingerprint` is "sha256:<hex>" of the key in DER (SubjectPublicKeyInfo)."""

    key: ec.EllipticCurvePublicKey
    fingerprint: str
    path: Path | None = None

    def verifies(self, signature: Signature) -> bool:
        """Whether the owner of this key signed that payload."""
        try:
            self.key.verify(signature.signature, signature.payload, ALGORITHM)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signed:
    """A signature that holds: whose it is, and when it says it was made (None where it does not say)."""

    key: PublicKey
    at: datetime | None


def new_pair(passphrase: bytes) -> tuple[bytes, bytes]:
    """A new private and public key in PEM; the private one is encrypted unless `passphrase` is empty."""
    private = ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), _pem(private.public_key())


def read_private(path: Path, passphrase: Callable[[], bytes]) -> ec.EllipticCurvePrivateKey:
    """The key in a PEM file; `passphrase` is asked for one where the file is encrypted.

    Raises FreeholdError `signing_key_unreadable`, `signing_key_unsupported`, `signing_passphrase_wrong`.
    """
    raw = _read(path)
    if any(name in raw for name in _COSIGN_OWN):
        raise FreeholdError("signing_key_unsupported", path=path, found="encrypted in cosign's own way")
    encrypted = b"ENCRYPTED" in raw
    try:
        key = load_pem_private_key(raw, (passphrase() or b"\0") if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted and b"PRIVATE KEY" in raw:
            raise FreeholdError("signing_passphrase_wrong", path=path) from None
        raise _no_key(path, raw) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FreeholdError("signing_key_unsupported", path=path, found=_sort(key))
    return key


def read_public(path: Path) -> PublicKey:
    """The key in a PEM file. Raises FreeholdError `signing_key_unreadable`, `signing_key_unsupported`."""
    raw = _read(path)
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"PRIVATE KEY" in raw:
            raise FreeholdError("signing_key_private", path=path) from None
        raise _no_key(path, raw) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FreeholdError("signing_key_unsupported", path=path, found=_sort(key))
    return public_key(key, path)


def public_key(key: ec.EllipticCurvePublicKey, path: Path | None = None) -> PublicKey:
    """`key` with its fingerprint."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, f"sha256:{hashlib.sha256(der).hexdigest()}", path)


def sign(name: str, digest: str, oci_digest: str, key: ec.EllipticCurvePrivateKey) -> Signature:
    """Sign the artifact `digest`, whose OCI manifest is `oci_digest`; `name` is only told."""
    payload = _Payload(
        _Critical(_Identity(name), _Image(oci_digest), PAYLOAD_TYPE),
        _Notes(digest, f"Freehold {__version__}", int(datetime.now(UTC).timestamp())),
    )
    raw = msgspec.json.encode(payload)
    return Signature(raw, key.sign(raw, ALGORITHM), public_key(key.public_key()).fingerprint)


def check(what: str, digests: Sequence[str], signatures: Iterable[Signature], trusted: Sequence[PublicKey]) -> Signed:
    """The first of `signatures` that a trusted key made of one of `digests` (the artifact's own, its OCI manifest's).

    `what` is told in errors. Raises FreeholdError `signature_missing`, `signature_wrong`, `signature_of_other`,
    `signature_untrusted`.
    """
    found = list(signatures)
    if not found:
        raise FreeholdError("signature_missing", what=what, digest=digests[0][:SHOWN])
    others: list[str] = []
    for signature in found:
        for key in trusted:
            if not key.verifies(signature):
                continue
            payload = _payload(signature)
            if payload is not None and names(signature, digests):
                seconds = payload.optional.timestamp if payload.optional is not None else 0
                return Signed(key, datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None)
            others.append(payload.critical.image.digest if payload is not None else "something else")
    if others:
        raise FreeholdError("signature_of_other", what=what, digest=digests[0][:SHOWN], other=others[0][:SHOWN])
    known = {key.fingerprint for key in trusted}
    if any(signature.key in known for signature in found):
        raise FreeholdError("signature_wrong", what=what)
    raise FreeholdError(
        "signature_untrusted",
        what=what,
        signers=", ".join(sorted({signature.key[:SHOWN] or "an unknown key" for signature in found})),
        trusted=", ".join(f"{key.fingerprint[:SHOWN]} ({key.path})" for key in trusted) or "-",
    )


def names(signature: Signature, digests: Sequence[str]) -> bool:
    """Whether its payload says that one of `digests` is meant; nobody has checked then who said so."""
    payload = _payload(signature)
    if payload is None:
        return False
    named = {payload.critical.image.digest}
    if payload.optional is not None and payload.optional.artifact:
        named.add(payload.optional.artifact)
    return payload.critical.type == PAYLOAD_TYPE and not named.isdisjoint(digests)


def _payload(signature: Signature) -> _Payload | None:
    try:
        return msgspec.json.decode(signature.payload, type=_Payload)
    except UNREADABLE:
        return None


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreeholdError("signing_key_unreadable", path=path, reason=error.strerror or str(error)) from error


def _no_key(path: Path, raw: bytes) -> FreeholdError:
    reason = "it is no PEM file" if b"-----BEGIN" not in raw else "its PEM holds no usable key"
    return FreeholdError("signing_key_unreadable", path=path, reason=reason)


def _sort(key: object) -> str:
    curve = getattr(key, "curve", None)
    return f"an ECDSA key on {curve.name}" if curve is not None else f"a key of the sort {type(key).__name__}"
