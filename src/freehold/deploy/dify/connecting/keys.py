"""Whether Dify calls our models with the key that it should. Dify shows a stored key only with stars in it.

So what was last given to it is remembered as a digest, which tells nothing of the key. Where nothing is remembered,
on another machine say, the key is given again.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError

_STAR = "*"
_SALT_BYTES = 16
_PRIVATE = 0o600


class _Note(msgspec.Struct, frozen=True):
    salt: str
    digest: str


@dataclass
class Keys:
    """The keys that were given to one workspace of one Dify, as digests by type and name of model."""

    file: Path
    _notes: dict[str, _Note] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, home: Path, address: str, workspace: str | None) -> "Keys":
        """Those of this user. A file that cannot be read counts as none: keys are then given again."""
        place = hashlib.sha256(f"{address} {workspace or ''}".encode()).hexdigest()[:16]
        file = home / "dify" / f"keys-{place}.json"
        try:
            return cls(file, msgspec.json.decode(file.read_bytes(), type=dict[str, _Note]))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return cls(file)

    def given(self, model: str, key: str | None, shown: str) -> bool:
        """Whether Dify, which shows `shown`, has `key` for a model; `model` is its type and name."""
        if not key or not shown:
            return (key or "") == shown
        note = self._notes.get(model)
        if note is None or not _fits(shown, key):
            return False
        return hmac.compare_digest(note.digest, _digest(bytes.fromhex(note.salt), key))

    def note(self, model: str, key: str | None) -> None:
        """Remember that Dify was given `key` for a model. Raises `dify_state_unwritable`."""
        if not key:
            self._notes.pop(model, None)
            return
        salt = os.urandom(_SALT_BYTES)
        self._notes[model] = _Note(salt.hex(), _digest(salt, key))
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.file, msgspec.json.encode(self._notes), _PRIVATE)
        except OSError as error:
            raise FreeholdError("dify_state_unwritable", path=self.file, reason=error.strerror or str(error)) from error


def _fits(shown: str, key: str) -> bool:
    """Whether `key` begins and ends as what is shown around the stars."""
    return key.startswith(shown.partition(_STAR)[0]) and key.endswith(shown.rpartition(_STAR)[2])


def _digest(salt: bytes, key: str) -> str:
    """By scrypt (RFC 7914), since a key may have been chosen by a person."""
    return hashlib.scrypt(key.encode(), salt=salt, n=1 << 12, r=8, p=1).hex()
