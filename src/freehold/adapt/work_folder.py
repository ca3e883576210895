"""A folder for the time of one conversion: gone when it ends, and swept up later when it was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.store.locks import try_exclusive


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """An empty folder under `parent`, removed at the end.

    It is locked while it is used, and the kernel drops that lock with the process: folders there that nobody holds are
    what killed conversions left, and are removed first. Raises OSError where `parent` cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    everyone = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(everyone, fcntl.LOCK_EX)
        for left in parent.iterdir():
            _sweep(left)
        folder = Path(tempfile.mkdtemp(dir=parent))
        mine = try_exclusive(folder)  # nobody else looks at it before `everyone` is closed
    finally:
        os.close(everyone)
    assert mine is not None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mine)


def _sweep(left: Path) -> None:
    """Remove a folder that nobody holds."""
    try:
        held = try_exclusive(left)
    except FileNotFoundError:  # its own conversion removed it just now
        return
    if held is not None:
        shutil.rmtree(left, ignore_errors=True)
        os.close(held)
