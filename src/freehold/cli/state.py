"""The folder that state lies in, and what serves instead when it cannot be written."""

import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

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
        """`wanted` where it can be written, else a temporary folder and a warning that says how to give it back."""
        try:
            wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=wanted):
                return cls(wanted, wanted, kept=True)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): written graphs and tuning are made again at each start."
                " Give it to this user: chown -R %d %s",
                wanted,
                error.strerror,
                os.getuid(),
                wanted,
            )
            return cls(wanted, Path(tempfile.mkdtemp(prefix="freehold-")), kept=False)

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_: object) -> None:
        if not self.kept:
            shutil.rmtree(self.writable, ignore_errors=True)
