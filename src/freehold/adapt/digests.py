"""Digests of files, remembered, so that a start does not read gigabytes to learn that nothing changed."""

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from freehold.artifact.artifact import sha256_of, write_durably


class _Remembered(msgspec.Struct, frozen=True):
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str

    def describes(self, path: Path, status: os.stat_result) -> bool:
        seen = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return seen == (self.path, self.size, self.mtime_ns, self.ctime_ns, self.inode)


@dataclass(frozen=True)
class DigestMemo:
    """sha256 of files, kept under `folder` for as long as a file's size, times and inode stay the same.

    One small file an entry, replaced atomically: processes that share the folder need no lock. ctime is part of the
    key since no tool can set it back, unlike mtime.

    A file changed twice within one tick of its filesystem's clock keeps its times, so one whose times are younger than
    `settled_s` is not remembered.
    """

    folder: Path
    settled_s: float = 2.0

    def sha256(self, path: Path) -> str:
        """Hex sha256 of `path`, from memory when the file is unchanged. Raises OSError."""
        path = path.resolve()
        status = path.stat()
        note = self.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"
        known = _recall(note)
        if known is not None and known.describes(path, status):
            return known.sha256
        digest = sha256_of(path)
        after = path.stat()
        fresh = _Remembered(str(path), after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino, digest)
        settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > self.settled_s * 1e9
        if settled and fresh.describes(path, status):
            with suppress(OSError):  # a folder that cannot be written only costs the next start a reading
                self.folder.mkdir(parents=True, exist_ok=True)
                write_durably(note, msgspec.json.encode(fresh))
        return digest


def _recall(note: Path) -> _Remembered | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return None
