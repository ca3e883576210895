"""A package's signature, as the daemon checks it: a key of your own, and verification stays on.

Read from the daemon's source (pkg/plugin_packager/signer/withkey, decoder/verifier.go, pkg/utils/encryption/rsa.go):
what is signed are the sha256 digests of all files, one after another in the zip's order, `.verification.dify.json`
last, and the Unix time in digits behind them; RSA PKCS #1 v1.5 over the sha256 of that; in base64, in the zip's
comment, with the time. Keys are PEM in PKCS #1 ("RSA PUBLIC KEY"), with nothing behind the block: the daemon takes no
other form.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from freehold.deploy.bundle.plugin.package import VERIFICATION, Package
from freehold.errors import FreeholdError

BITS = 4096
OFFICIAL = "langgenius"
COMMUNITY = "community"


class _Comment(msgspec.Struct, frozen=True):
    signature: str
    time: int


class _Verification(msgspec.Struct, frozen=True):
    authorized_category: str


@dataclass(frozen=True)
class Signed:
    """A signature that holds: when it was made (Unix time), and whom it says the plugin is of."""

    time: int
    category: str


def new_pair(name: Path) -> tuple[Path, Path]:
    """Make NAME.key, which only its owner may read, and NAME.pub, which the daemon gets.

    Raises FreeholdError `signing_key_exists`, `signing_key_unwritable`.
    """
    places = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    for place in places:
        if place.exists():
            raise FreeholdError("signing_key_exists", path=place)
    key = rsa.generate_private_key(65537, BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for place, raw, mode in ((places[0], private, 0o600), (places[1], public_pem(key.public_key()), 0o644)):
        try:
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(raw)
        except OSError as error:
            raise FreeholdError("signing_key_unwritable", path=place, reason=error.strerror or error) from error
    return places


def public_pem(key: rsa.RSAPublicKey) -> bytes:
    """The form that the daemon reads."""
    return key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)


def read_private(path: Path) -> rsa.RSAPrivateKey:
    """Raises FreeholdError `plugin_key_unusable`."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FreeholdError("plugin_key_unusable", path=path, reason=_short(error)) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < BITS:
        raise FreeholdError("plugin_key_unusable", path=path, reason=f"it is no RSA key of {BITS} bits")
    return key


def sign(package: Package, key: rsa.RSAPrivateKey, time: int) -> Package:
    """`package` signed at that Unix time; a signature that it had is gone.

    The category is what the daemon asks of an author's packages (isUnauthorizedLanggenius): one that says it is of
    `langgenius` installs only as such.
    """
    bare = package.unsigned()
    category = OFFICIAL if bare.identity.author == OFFICIAL else COMMUNITY
    verification = msgspec.json.encode(_Verification(category))
    files = {**bare.files, VERIFICATION: verification}
    raw = key.sign(_data(files.values(), time), padding.PKCS1v15(), hashes.SHA256())
    comment = msgspec.json.encode(_Comment(base64.b64encode(raw).decode(), time))
    return replace(bare, files=files, comment=comment)


def verify(package: Package, keys: Iterable[rsa.RSAPublicKey]) -> Signed:
    """Whether one of `keys` signed exactly these files, and the daemon would take them.

    Raises FreeholdError `plugin_unsigned`, `plugin_signature_wrong`.
    """
    try:
        comment = msgspec.json.decode(package.comment, type=_Comment)
        signature = base64.b64decode(comment.signature, validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise FreeholdError("plugin_unsigned", plugin=package.identity) from error
    data = _data(package.files.values(), comment.time)
    if not any(_holds(key, signature, data) for key in keys):
        raise FreeholdError("plugin_signature_wrong", plugin=package.identity, reason="no key given made it")
    try:
        found = msgspec.json.decode(package.files.get(VERIFICATION, b""), type=_Verification).authorized_category
    except msgspec.DecodeError as error:
        raise FreeholdError("plugin_signature_wrong", plugin=package.identity, reason="it says no category") from error
    if package.identity.author == OFFICIAL and found != OFFICIAL:
        reason = f"the author is {OFFICIAL}, and it was signed as {found!r}"
        raise FreeholdError("plugin_signature_wrong", plugin=package.identity, reason=reason)
    return Signed(comment.time, found)


def _data(files: Iterable[bytes], time: int) -> bytes:
    return b"".join(hashlib.sha256(raw).digest() for raw in files) + str(time).encode()


def _holds(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _short(error: Exception) -> str:
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else "it is no PEM of an RSA key"
