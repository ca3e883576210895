"""Who can open a backup: keys of age (age-encryption.org/v1), so that the standard tool opens it too."""

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyrage
from pyrage import x25519

from freehold.errors import FreeholdError

SECRET = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.MULTILINE)
SEALED = b"age-encryption.org/"


def recipients(keys: Iterable[str]) -> list[x25519.Recipient]:
    """The public keys `age1...`. Raises `dify_backup_key_invalid`, `dify_backup_key_wanted` for none."""
    found = []
    for key in keys:
        try:
            found.append(x25519.Recipient.from_str(key.strip()))
        except pyrage.RecipientError as error:
            raise FreeholdError("dify_backup_key_invalid", key=key[:80], reason=str(error)) from None
    if not found:
        raise FreeholdError("dify_backup_key_wanted")
    return found


def identities(path: Path, passphrase: str | None = None) -> list[x25519.Identity]:
    """The private keys of a file that `make_key` or `age-keygen` wrote, `passphrase` where it is sealed by one.

    Raises `dify_backup_key_unreadable`, `dify_backup_passphrase_wanted`, `dify_backup_passphrase_wrong`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FreeholdError("dify_backup_key_unreadable", path=path, reason=error.strerror or str(error)) from None
    if data.startswith(SEALED):
        if passphrase is None:
            raise FreeholdError("dify_backup_passphrase_wanted", path=path)
        try:
            data = pyrage.passphrase.decrypt(data, passphrase)
        except pyrage.DecryptError:
            raise FreeholdError("dify_backup_passphrase_wrong", path=path) from None
    lines = SECRET.findall(data.decode("utf-8", "replace"))
    try:
        found = [x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise FreeholdError("dify_backup_key_unreadable", path=path, reason="no line AGE-SECRET-KEY-1... in it")
    return found


def make_key(path: Path, passphrase: str | None = None) -> str:
    """Write a new private key, mode 600, sealed by `passphrase` where there is one; the public key.

    Raises `dify_backup_key_there`, `dify_backup_unwritable`.
    """
    key = x25519.Identity.generate()
    public = str(key.to_public())
    made = datetime.now(UTC).isoformat(timespec="seconds")
    data = f"# created: {made}\n# public key: {public}\n{key}\n".encode()
    if passphrase is not None:
        data = pyrage.passphrase.encrypt(data, passphrase)
    try:
        with open(path, "xb", opener=partial(os.open, mode=0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise FreeholdError("dify_backup_key_there", path=path) from None
    except OSError as error:
        raise FreeholdError("dify_backup_unwritable", path=path, reason=error.strerror or str(error)) from None
    return public


def read_recipients(path: Path) -> list[str]:
    """The public keys in a file, one a line, `#` before remarks. Raises `dify_backup_key_unreadable`."""
    try:
        lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FreeholdError("dify_backup_key_unreadable", path=path, reason=str(error)) from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
