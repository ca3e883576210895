"""What an upgrade that is under way leaves on disk, so that one which was killed can be taken back."""

from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError

FILE = "dify-upgrade.json"
"""Beside the releases of the deployment."""


class Journal(msgspec.Struct, frozen=True):
    """One upgrade that has begun to change things, and the backup by which it is taken back."""

    before: str
    after: str
    backup: str
    id: str
    """The backup's."""


def begin(path: Path, journal: Journal) -> None:
    """Write it down, before anything is changed. Raises `dify_upgrade_interrupted` where another one is not ended."""
    check(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, msgspec.json.encode(journal))
    except OSError as error:
        raise FreeholdError("dify_upgrade_unwritable", path=path, reason=error.strerror or str(error)) from None


def check(path: Path) -> None:
    """Raises `dify_upgrade_interrupted` where an upgrade was cut off."""
    there = read(path)
    if there is not None:
        raise FreeholdError("dify_upgrade_interrupted", before=there.before, after=there.after, backup=there.backup)


def read(path: Path) -> Journal | None:
    """What was begun; None for nothing. Raises `dify_upgrade_unwritable` for a file that says nothing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise FreeholdError("dify_upgrade_unwritable", path=path, reason=str(error)) from None


def end(path: Path) -> None:
    """It is over, one way or the other."""
    path.unlink(missing_ok=True)
