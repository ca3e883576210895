"""A folder for the time of one conversion: gone when it ends, and swept up later when it was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """An empty folder under `parent`, removed at the end.

    It is locked while it is used, and the kernel drops that lock with the process: folders there that nobody holds are
    what killed conversions left, and are removed first. Raises OSError where `parent` cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    everyone = _lock(parent, wait=True)
    assert everyone is not None
    try:
        for left in parent.iterdir():
            held = _lock(left, wait=False)
            if held is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)
        folder = Path(tempfile.mkdtemp(dir=parent))
        mine = _lock(folder, wait=True)
    finally:
        os.close(everyone)
    assert mine is not None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mine)


def _lock(folder: Path, *, wait: bool) -> int | None:
    """A handle that holds the lock of `folder`; None when somebody else does, or has just removed it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
