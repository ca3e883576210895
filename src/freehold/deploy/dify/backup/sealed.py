"""Streams into an encrypted file and out of it: age's own format, 64 KiB at a time, each authenticated."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pyrage
from pyrage import x25519

from freehold.errors import FreeholdError

_REST = 1 << 20
FAULTS = (pyrage.EncryptError, pyrage.DecryptError, OSError)


@contextmanager
def sealing(file: IO[bytes], recipients: Sequence[x25519.Recipient], path: Path) -> Iterator[IO[bytes]]:
    """A stream whose bytes go encrypted into `file`. Raises `dify_backup_unwritable`: the disk is full, say.

    A block that fails leaves a file that decrypts, but ends too early: whoever called throws it away.
    """
    ours, theirs = _pipe()
    work = _Work(lambda: pyrage.encrypt_io(theirs, file, recipients), theirs)
    try:
        with _closing(ours):
            yield ours
    finally:
        work.join()
        if work.fault is not None:  # the block then failed at a pipe without a reader: this says why
            raise FreeholdError("dify_backup_unwritable", path=path, reason=str(work.fault)) from None


@contextmanager
def opened(path: Path, identities: Sequence[x25519.Identity]) -> Iterator[IO[bytes]]:
    """What an encrypted file holds. Every byte that is read is authentic; that it is the whole, the block's end tells.

    Raises `dify_backup_unreadable`, `dify_backup_key_wrong`, `dify_backup_damaged`.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise FreeholdError("dify_backup_unreadable", path=path, reason=error.strerror or str(error)) from None
    with file:
        theirs, ours = _pipe()
        work = _Work(lambda: pyrage.decrypt_io(file, theirs, identities), theirs)
        try:
            with _closing(ours):
                yield ours
                while ours.read(_REST):  # what nobody asked for is authenticated too
                    pass
        finally:
            work.join()
            if work.fault is not None and "BrokenPipe" not in repr(work.fault):  # the block left before the end
                raise _damaged(path, work.fault) from None


def _damaged(path: Path, fault: BaseException) -> FreeholdError:
    if "No matching keys" in str(fault):
        return FreeholdError("dify_backup_key_wrong", path=path)
    return FreeholdError("dify_backup_damaged", path=path, reason=str(fault))


class _Work:
    """One call in a thread, which closes its end of the pipe when it is done."""

    def __init__(self, call: Callable[[], None], end: IO[bytes]) -> None:
        self.fault: BaseException | None = None
        self._call = call
        self._end = end
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except FAULTS as error:
            self.fault = error
        finally:
            with suppress(BrokenPipeError):
                self._end.close()

    def join(self) -> None:
        """Wait for its end, which the end of the pipe brings."""
        self._thread.join()


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """The end to write to and the end to read from, in the order write, read."""
    reader, writer = os.pipe()
    return os.fdopen(writer, "wb"), os.fdopen(reader, "rb")


@contextmanager
def _closing(stream: IO[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            stream.close()
