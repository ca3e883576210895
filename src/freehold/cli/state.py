"""The folder that state lies in, and what serves instead when it cannot be written."""

import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from freehold.errors import FreeholdError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """Where state lies. `kept` is False when `home` cannot be written: `writable` is then a temporary folder.

    A context manager: leaving it removes the temporary folder.
    """

    home: Path
    writable: Path
    kept: bool

    @classmethod
    def of(cls, wanted: Path) -> "State":
        """`wanted` where it can be written, else a temporary folder and a warning that says how to give it back.

        Raises FreeholdError `nothing_writable`.
        """
        try:
            wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=wanted):
                return cls(wanted, wanted, kept=True)
        except OSError as error:
            _warn(wanted, error.strerror)
        try:
            return cls(wanted, Path(tempfile.mkdtemp(prefix="freehold-")), kept=False)
        except OSError as error:
            raise FreeholdError("nothing_writable", home=wanted, reason=error.strerror) from None

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_: object) -> None:
        if not self.kept:
            shutil.rmtree(self.writable, ignore_errors=True)


def warn_if_unwritable(wanted: Path) -> None:
    """Say what `State.of` would say, and make nothing: for a start that fails for another reason."""
    nearest = next(folder for folder in (wanted, *wanted.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        _warn(wanted, error.strerror)


def _warn(wanted: Path, reason: str | None) -> None:
    log.warning(
        "%s cannot be written (%s): keys, written graphs and tuning are lost at each start. Give it to this user:"
        " chown -R %d %s (in a container: on its host, the folder that is mounted there, ./data for instance)",
        wanted,
        reason,
        os.getuid(),
        wanted,
    )
