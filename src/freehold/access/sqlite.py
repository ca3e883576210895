"""SQLite behind the form that `database` asks for: write-ahead log, one writer, readers who never wait."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError

_CODES = {
    sqlite3.SQLITE_BUSY: "database_locked",
    sqlite3.SQLITE_LOCKED: "database_locked",
    sqlite3.SQLITE_READONLY: "database_read_only",
    sqlite3.SQLITE_PERM: "database_read_only",
    sqlite3.SQLITE_FULL: "database_full",
    sqlite3.SQLITE_CANTOPEN: "database_gone",
    sqlite3.SQLITE_IOERR: "database_gone",
    sqlite3.SQLITE_CORRUPT: "keys_unreadable",
    sqlite3.SQLITE_NOTADB: "keys_unreadable",
}
"""By SQLite's primary result codes (sqlite.org/rescode.html), what each means to us."""
_PRIMARY = 0xFF  # an extended code has its primary one in the lowest byte


class Sqlite:
    """The database in the file `path`, which exists; None is one in memory."""

    clock = "SELECT (julianday('now') - 2440587.5) * 86400.0"

    def __init__(self, path: Path | None, patience_s: float) -> None:
        self.place = "memory" if path is None else str(path)
        self._path = path
        self._is_closed = False
        with self._told():
            self._connection = _in_memory() if path is None else _open(path, patience_s)
        self._inode = self._found()

    def is_lost(self) -> bool:
        """Whether it was closed, or its file was moved away or replaced: what is written to it nobody would find."""
        return self._is_closed or self._found() != self._inode

    def begin(self) -> None:
        """A transaction that excludes other writers."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what the transaction wrote. Raises `database_gone` where its file went away meanwhile."""
        if self._found() != self._inode:
            raise DatabaseError("database_gone", self.place, "its file was moved or replaced")
        with self._told():
            self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what the transaction wrote."""
        with suppress(sqlite3.Error):  # some failures have ended it already
            self._connection.execute("ROLLBACK")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self._told():
            return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of `rows`."""
        with self._told():
            self._connection.executemany(statement, rows)

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""
        return bool(self.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    def close(self) -> None:
        """Close the file."""
        self._is_closed = True
        self._connection.close()

    def _found(self) -> int:
        """The inode of the file at the path now; 0 where there is none, and for one in memory."""
        try:
            return 0 if self._path is None else self._path.stat().st_ino
        except OSError:
            return 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's failures in our words; what is a defect of a statement stays as it is."""
        try:
            yield
        except sqlite3.DatabaseError as failure:
            code = _CODES.get(getattr(failure, "sqlite_errorcode", 0) & _PRIMARY)
            if code is None:
                raise
            if code == "keys_unreadable":
                raise FreeholdError(code, path=self.place, reason=failure) from None
            raise DatabaseError(code, self.place, failure) from None


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)


def _open(path: Path, patience_s: float) -> sqlite3.Connection:
    """The file at `path`, to write if that is allowed, else to read."""
    connection = _connect(path, "mode=rw", patience_s)
    try:
        ((mode,),) = connection.execute("PRAGMA journal_mode")
        if mode != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as failure:
        primary = failure.sqlite_errorcode & _PRIMARY
        if primary == sqlite3.SQLITE_BUSY:
            return connection  # another process is setting the mode in this moment
        connection.close()
        if primary not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        return _open_to_read(path, patience_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path, patience_s: float) -> sqlite3.Connection:
    """Where not even the log's index beside the file can be made, nobody writes: the file is read as it is."""
    connection = _connect(path, "mode=ro", patience_s)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError as failure:
        connection.close()
        if failure.sqlite_errorcode & _PRIMARY not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        return _connect(path, "mode=ro&immutable=1", patience_s)
    return connection


def _connect(path: Path, mode: str, patience_s: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(uri, uri=True, timeout=patience_s, check_same_thread=False, isolation_level=None)
