"""Word of a restore that has begun to change things, for `freehold deploy`: half of its data is no Dify to start."""

from pathlib import Path

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError

FILE = "dify-restore"
"""Beside the releases of the deployment; it holds the backup's path."""


def begin(folder: Path, backup: Path) -> None:
    """Write it down, before anything is changed. Raises `dify_backup_unwritable`."""
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, str(backup).encode())
    except OSError as error:
        raise FreeholdError("dify_backup_unwritable", path=path, reason=error.strerror or str(error)) from None


def check(folder: Path) -> None:
    """Raises `dify_restore_interrupted` where a restore was cut off."""
    path = folder / FILE
    if path.exists():
        raise FreeholdError("dify_restore_interrupted", backup=path.read_text(encoding="utf-8", errors="replace"))


def end(folder: Path) -> None:
    """It came to its end."""
    (folder / FILE).unlink(missing_ok=True)
