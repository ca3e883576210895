"""Where keys, budgets, usage and audit are kept: SQLite under the home of one node, PostgreSQL for several.

The same statements run on both: values stand as `?`; columns are TEXT, BIGINT, DOUBLE PRECISION and BYTEA, which SQLite
takes by its rules of affinity (sqlite.org/datatype3.html, 3.1). On both there is one writer at a time, so that what a
transaction reads stays true until it ends.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from freehold.access.failures import DatabaseError
from freehold.access.sqlite import Sqlite
from freehold.errors import FreeholdError

FILE = "access.db"
PATIENCE_S = 10.0
"""How long a transaction waits for other writers before `database_locked`."""

Value = str | int | float | bytes | None
Row = tuple[Any, ...]
Steps = Sequence[Sequence[str]]
"""The statements by which tables came to what they are: those of index n take version n to n + 1."""

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (area TEXT PRIMARY KEY, version BIGINT NOT NULL)"


class Connection(Protocol):
    """One connection to either database. A failure is a DatabaseError, or `keys_unreadable`."""

    place: str
    clock: str
    """The statement by which it tells the seconds since 1970."""

    def is_lost(self) -> bool:
        """Whether it leads nowhere any more, so that another has to be opened."""
        ...

    def begin(self) -> None:
        """A transaction that excludes other writers."""
        ...

    def commit(self) -> None:
        """Keep what the transaction wrote; it is durable when this returns."""
        ...

    def rollback(self) -> None:
        """Forget what the transaction wrote. Raises nothing."""
        ...

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement; its rows."""
        ...

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement for each of `rows`."""
        ...

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""
        ...

    def close(self) -> None:
        """Raises nothing."""
        ...


class Transaction:
    """Statements of SQL that both databases have in common."""

    def __init__(self, connection: Connection) -> None:
        """`Database.writing` and `Database.reading` make one."""
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Value] = ()) -> None:
        """Run one statement."""
        self._connection.execute(statement, values)

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each of `rows`."""
        self._connection.execute_many(statement, list(rows))

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """What a statement found."""
        return self._connection.execute(statement, values)

    def now(self) -> float:
        """Seconds since 1970 by the database's own clock, which all its nodes share."""
        ((now,),) = self._connection.execute(self._connection.clock)
        return float(now)


class Database:
    """One connection, opened again when it was lost. Any thread may use it; they take turns.

    Every method raises DatabaseError, an OSError, where it cannot be used now: locked for longer than PATIENCE_S, to
    be read only, full, gone; and `keys_unreadable` where it is damaged.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """`open` and `in_memory` make one."""
        self._connect = connect
        self._lock = threading.RLock()
        self._steps: dict[str, Steps] = {}
        self._connection = connect()
        self.openings = 1
        """How often a connection was opened: what was read before the latest may be of another database."""

    @classmethod
    def open(cls, home: Path, url: str | None = None) -> "Database":
        """The one that `url` names (`postgresql://...`), else the file in `home`; both are made if they are missing.

        Raises `database_url_invalid` and `database_driver_missing`, too.
        """
        if url is not None:
            postgres = import_module("freehold.access.postgres")  # its driver is an extra
            return cls(lambda: postgres.Postgres(url, PATIENCE_S))
        path = home / FILE  # never opened by ourselves: closing it would end SQLite's locks in this whole process
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                path.touch(mode=0o600)
            elif not os.access(path, os.R_OK):  # SQLite's own message names no cause
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as failure:
            raise DatabaseError("database_gone", str(path), failure) from None
        return cls(lambda: Sqlite(path, PATIENCE_S))

    @classmethod
    def in_memory(cls) -> "Database":
        """One that ends with the process."""
        return cls(lambda: Sqlite(None, PATIENCE_S))

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def place(self) -> str:
        """Where it is, for people: a path, or server and name without user and password."""
        return self._connection.place

    def migrate(self, area: str, steps: Steps) -> None:
        """Bring the tables of `area` to the version after the last of `steps`; another that is found later, too.

        Nothing is written where they are there already. Raises `database_newer` where a later release made them.
        """
        with self._lock:
            self._steps[area] = steps
            _migrate(self._ready(), area, steps)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Statements that change nothing; each sees what was committed before it."""
        with self._lock:
            connection = self._ready()
            try:
                connection.execute("SELECT 1")  # a server that was restarted meanwhile shows only now
            except DatabaseError:
                connection = self._ready()
            yield Transaction(connection)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One transaction that excludes all other writers, kept whole or not at all.

        `database_gone` from its end leaves open which: the connection was lost while the answer was awaited.
        """
        with self._lock:
            connection = self._begin()
            try:
                yield Transaction(connection)
            except BaseException:
                connection.rollback()
                raise
            try:
                connection.commit()
            except DatabaseError:
                connection.rollback()
                raise

    def close(self) -> None:
        """Close the connection; the next use would open another."""
        with self._lock:
            self._connection.close()

    def _begin(self) -> Connection:
        connection = self._ready()
        try:
            connection.begin()
        except DatabaseError:
            if not connection.is_lost():
                raise
            connection = self._ready()  # nothing was sent yet: this is no second try of anything
            connection.begin()
        return connection

    def _ready(self) -> Connection:
        if self._connection.is_lost():
            self._connection.close()
            self._connection = self._connect()
            self.openings += 1
            for area, steps in self._steps.items():
                _migrate(self._connection, area, steps)
        return self._connection


def _migrate(connection: Connection, area: str, steps: Steps) -> None:
    if _version(connection, area) == len(steps):
        return
    connection.begin()
    try:
        connection.execute(_VERSIONS)
        version = _version(connection, area)
        if version > len(steps):
            raise FreeholdError("database_newer", place=connection.place, found=version, known=len(steps))
        for statement in (statement for step in steps[version:] for statement in step):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_versions (area, version) VALUES (?, ?)"
            " ON CONFLICT (area) DO UPDATE SET version = excluded.version",
            (area, len(steps)),
        )
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _version(connection: Connection, area: str) -> int:
    if not connection.has_table("schema_versions"):
        return 0
    rows = connection.execute("SELECT version FROM schema_versions WHERE area = ?", (area,))
    return int(rows[0][0]) if rows else 0
