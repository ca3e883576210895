"""The head of the audit, kept outside the database."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec

from freehold.access.database import FILE as DATABASE
from freehold.access.database import Database
from freehold.access.private import write_private

FILE = "audit.head"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line of a chain: its number, and its hash as 64 hexadecimal digits."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class Witness:
    """The file `audit.head` in a folder: the newest head that this node has seen.

    Whoever takes the last lines out of the database, and sets its head back, has to know of this file and to be able
    to write it. It may be a line behind when a process is killed between both; it is never ahead.
    """

    def __init__(self, folder: Path, file: str = FILE) -> None:
        self.path = folder / file
        self._lock = Lock()

    @classmethod
    def of(cls, database: Database, folder: Path) -> "Witness":
        """The one in `folder` for `database`. One that lies elsewhere has another file: its chain is another one.

        The folder is made where there is none yet, as on a machine whose first command is about a database elsewhere.
        """
        with suppress(OSError):  # told by the first head that cannot be kept
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if database.place == str(folder / DATABASE):
            return cls(folder)
        return cls(folder, f"audit-{sha256(database.place.encode()).hexdigest()[:12]}.head")

    def saw(self, head: Head) -> None:
        """Keep `head` unless a later one is kept. Raises OSError."""
        with self._lock:
            try:
                known = self._read()
            except ValueError:
                known = None  # what it was is lost; `freehold audit --verify` told so until now
            if known is None or known.number < head.number:
                write_private(self.path, msgspec.json.encode(head) + b"\n")

    def last(self) -> Head | None:
        """The head that is kept; None before the first. Raises ValueError where the file is none of ours, OSError."""
        with self._lock:
            return self._read()

    def _read(self) -> Head | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Head)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise ValueError(f"{self.path}: {failure}") from None
