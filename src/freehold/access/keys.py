"""Keys: 256 random bits each, kept as their SHA-256, looked up without touching the database.

A fast hash is right here: a key is not a password, nobody can guess 256 random bits however fast the hash is
(NIST SP 800-63B asks for slow hashes for memorised secrets only).
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hmac import compare_digest
from pathlib import Path

from freehold.access.key import Key
from freehold.access.private import write_private
from freehold.access.roles import Role
from freehold.errors import FreeholdError

PREFIX = "fh_"
DATABASE = "access.db"
INITIAL = "initial"
INTERNAL = "internal"
INITIAL_FILE = "initial-key"
REFRESH_S = 1.0  # how long a key that another process made or revoked may go unnoticed
LONGEST = 512  # no key is longer: what is presented beyond this is not even hashed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    sha256 BLOB NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    revoked_at REAL
)
"""


class Keys:
    """The keys of one installation, in SQLite under its home. Used from one thread at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """`open` and `in_memory` make one."""
        self._database = database
        self._keys: dict[bytes, Key] = {}
        self._given: dict[bytes, Key] = {}
        self._version = -1
        self._refresh_at = 0.0
        self._refresh()

    @classmethod
    def open(cls, home: Path) -> "Keys":
        """The keys in `home`, which is made if it is missing; a database that cannot be written is opened to read.

        Raises OSError where `home` cannot be used, `keys_unreadable` where its database is damaged.
        """
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = home / DATABASE
        if path.exists():
            path.open("rb").close()  # SQLite's own message for a file that may not be read names no cause
        else:
            path.touch(mode=0o600)
        try:
            return cls(_connect(path))
        except sqlite3.OperationalError as failure:  # no space, locked, an I/O error: not the file's own fault
            raise OSError(f"{path}: {failure}") from None
        except sqlite3.DatabaseError as failure:
            raise FreeholdError("keys_unreadable", path=path, reason=failure) from None

    @staticmethod
    def exist_in(home: Path) -> bool:
        """Whether `home` holds a database of keys. Raises OSError where that cannot be told."""
        try:
            (home / DATABASE).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    @classmethod
    def in_memory(cls) -> "Keys":
        """Keys that end with the process."""
        database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        database.execute(_SCHEMA)
        return cls(database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def never_used(self) -> bool:
        """Whether no key was ever made; one that was revoked counts as made."""
        return self._database.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is None

    def create(self, name: str, role: Role) -> str:
        """A new key, in the only moment in which it is known. Raises `key_name_taken`, and OSError where unwritable."""
        key = _new_key()
        with self._writing():
            self._insert(name, role, key)
        return key

    def create_initial(self, folder: Path) -> Path | None:
        """Where there is no key yet: make one named `initial` and write it to `folder`; the path of that file.

        The file comes first: a key that is in the database and in nobody's hands would lock the house. Two processes
        that start at once make one key. Raises OSError where database or folder cannot be written.
        """
        if not self.never_used():
            return None  # before the transaction, which a folder that may only be read does not allow
        with self._writing():
            if not self.never_used():
                return None
            key = _new_key()
            path = folder / INITIAL_FILE
            write_private(path, key.encode("ascii") + b"\n")
            self._insert(INITIAL, "client", key)
        return path

    def accept(self, key: str) -> None:
        """Let `key` count, too, under the name `internal`, for as long as this process lives: it is written nowhere."""
        digest = _digest(key[:LONGEST])
        self._given[digest] = Key(INTERNAL, "client", time.time(), digest)
        self._load()

    def check(self, presented: str | None) -> Key:
        """Whose key this is. Raises `key_missing`, `key_wrong`."""
        if not presented:
            raise FreeholdError("key_missing")
        now = time.monotonic()
        if now >= self._refresh_at:
            self._refresh_at = now + REFRESH_S
            self._refresh()
        digest = _digest(presented[:LONGEST])
        key = self._keys.get(digest)
        if key is None or not compare_digest(key.sha256, digest):
            raise FreeholdError("key_wrong")
        return key

    def _insert(self, name: str, role: Role, key: str) -> None:
        try:
            self._database.execute(
                "INSERT INTO keys (name, role, sha256, created_at) VALUES (?, ?, ?, ?)",
                (name, role, _digest(key), time.time()),
            )
        except sqlite3.IntegrityError:
            raise FreeholdError("key_name_taken", name=name) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction that excludes other writers; what it wrote is valid at once."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as failure:
            raise OSError(f"the key database: {failure}") from None
        self._load()

    def _refresh(self) -> None:
        """Read the keys again when another connection has changed them."""
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self._load()

    def _load(self) -> None:
        rows = self._database.execute("SELECT name, role, created_at, sha256 FROM keys WHERE revoked_at IS NULL")
        self._keys = {row[3]: Key(*row) for row in rows} | self._given


def _connect(path: Path) -> sqlite3.Connection:
    """The database at `path`, to write if that is allowed, else to read."""
    uri = path.absolute().as_uri()
    database = sqlite3.connect(f"{uri}?mode=rw", uri=True, check_same_thread=False, isolation_level=None)
    try:
        database.execute(_SCHEMA)
    except sqlite3.OperationalError as failure:
        database.close()
        if "readonly" not in str(failure):
            raise
        return sqlite3.connect(f"{uri}?mode=ro", uri=True, check_same_thread=False, isolation_level=None)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
