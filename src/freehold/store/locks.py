"""File locks that the kernel drops with the process, so that a killed one blocks nobody."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from freehold.errors import FreeholdError

PATIENCE_S = 60.0
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_POLL_S = 0.02


@contextmanager
def exclusive(path: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold `path` alone; the file is made where it is not there. Raises `store_busy` after `patience_s`, OSError."""
    with _opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        _wait(descriptor, path, fcntl.LOCK_EX, patience_s)
        yield


@contextmanager
def shared(path: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold `path` beside others who share it. Raises `store_busy` after `patience_s`, OSError.

    In a folder that may only be read, nobody who may not write there either can hold it alone: an absent file is no
    lock then.
    """
    with _opened_to_share(path) as descriptor:
        if descriptor is not None:
            _wait(descriptor, path, fcntl.LOCK_SH, patience_s)
        yield


def try_exclusive(folder: Path) -> int | None:
    """A descriptor that holds an existing `folder` alone until it is closed; None where somebody uses it."""
    return _try(folder, fcntl.LOCK_EX)


def try_shared(folder: Path) -> int | None:
    """A descriptor that holds an existing `folder` beside others; None where somebody has it alone."""
    return _try(folder, fcntl.LOCK_SH)


def take(descriptor: int, sort: int = fcntl.LOCK_EX) -> bool:
    """Hold what is open as `descriptor` until that is closed; False where somebody else's lock is in the way."""
    try:
        fcntl.flock(descriptor, sort | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lies_at(descriptor: int, path: Path) -> bool:
    """Whether what is open as `descriptor` is what lies at `path` now: it may have been moved before it was held."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try(folder: Path, sort: int) -> int | None:
    descriptor = os.open(folder, os.O_RDONLY)
    if take(descriptor, sort):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened_to_share(path: Path) -> Iterator[int | None]:
    with ExitStack() as stack:
        descriptor: int | None = None
        try:
            descriptor = stack.enter_context(_opened(path, os.O_RDWR | os.O_CREAT))
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            with suppress(FileNotFoundError):
                descriptor = stack.enter_context(_opened(path, os.O_RDONLY))
        yield descriptor


def _wait(descriptor: int, path: Path, sort: int, patience_s: float) -> None:
    limit = time.monotonic() + patience_s
    while not take(descriptor, sort):
        if time.monotonic() >= limit:
            raise FreeholdError("store_busy", path=path.parent, seconds=round(patience_s))
        time.sleep(_POLL_S)
