"""PostgreSQL behind the form that `database` asks for, by psycopg: the extra `postgres`.

One writer at a time, as SQLite has it, by an advisory lock that ends with the transaction (PostgreSQL 15, 13.3.5).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as failure:
    raise FreeholdError("database_driver_missing", reason=failure) from None

SCHEMES = ("postgresql://", "postgres://")
CONNECT_S = 5
"""How long a server may take to accept a connection."""
SILENT_MS = 10_000
"""After so long without a sign of life, a connection is lost (TCP_USER_TIMEOUT)."""

_PARTS = (("host", "localhost"), ("port", "5432"), ("dbname", ""))
_ONE_WRITER = "SELECT pg_advisory_xact_lock(hashtextextended('freehold ' || current_schema(), 0))"


class Postgres:
    """One connection to the database that `url` names."""

    clock = "SELECT EXTRACT(EPOCH FROM clock_timestamp())"

    def __init__(self, url: str, patience_s: float) -> None:
        """Raises `database_url_invalid`."""
        self.place = _place(url)
        self._begin = f"BEGIN; SET LOCAL lock_timeout = {round(patience_s * 1000)}; {_ONE_WRITER}"
        with self._told():
            self._connection = psycopg.connect(
                url,
                autocommit=True,
                prepare_threshold=None,  # prepared statements and poolers between do not go together
                connect_timeout=CONNECT_S,
                tcp_user_timeout=SILENT_MS,
                application_name="freehold",
            )

    def is_lost(self) -> bool:
        """Whether it was closed, by either side."""
        return self._connection.closed

    def begin(self) -> None:
        """A transaction that excludes other writers."""
        try:
            with self._told():
                self._connection.execute(self._begin)
        except DatabaseError:
            self.rollback()
            raise

    def commit(self) -> None:
        """Keep what the transaction wrote."""
        with self._told():
            self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what the transaction wrote."""
        with suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(_placed(statement), values)
            return cursor.fetchall() if cursor.description is not None else []

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of `rows`, in one flight."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.executemany(_placed(statement), rows)

    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name in the schema that comes first."""
        return bool(
            self.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?", (name,))
        )

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """PostgreSQL's failures in our words; what is a defect of a statement stays as it is."""
        try:
            yield
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as failure:
            raise DatabaseError("database_locked", self.place, _line(failure)) from None
        except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege) as failure:
            raise DatabaseError("database_read_only", self.place, _line(failure)) from None
        except psycopg.errors.DiskFull as failure:
            raise DatabaseError("database_full", self.place, _line(failure)) from None
        except psycopg.OperationalError as failure:
            raise DatabaseError("database_gone", self.place, _line(failure)) from None


def _place(url: str) -> str:
    """Host, port and name of `url`; nothing else of it is told, since a password is in it.

    One with an unescaped `/` parses as port and name, which gives it away by an `@` or letters where none belong.
    Raises `database_url_invalid`.
    """
    try:
        told = conninfo_to_dict(url) if url.startswith(SCHEMES) else {"port": "none"}
    except psycopg.ProgrammingError:
        raise FreeholdError("database_url_invalid") from None
    host, port, name = (str(told.get(key, default)) for key, default in _PARTS)
    if not port.replace(",", "").isdecimal() or "@" in name:
        raise FreeholdError("database_url_invalid")
    return f"PostgreSQL {host}:{port}/{name}"


def _placed(statement: str) -> str:
    """With psycopg's placeholders. Our statements hold no other `?` and no `%`."""
    return statement.replace("?", "%s")


def _line(failure: psycopg.Error) -> str:
    """The first line of what PostgreSQL says; the others are hints for its own administrator."""
    return str(failure).strip().partition("\n")[0] or type(failure).__name__
