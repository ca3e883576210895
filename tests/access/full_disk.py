"""A database that has no more space, as on a full disk: SQLite's own limit of pages makes the same failure."""

from collections.abc import Iterator
from contextlib import contextmanager

from freehold.access.database import Database

_MOST = 1_073_741_823  # SQLite's default of max_page_count


@contextmanager
def full(database: Database) -> Iterator[None]:
    """While it lasts, nothing larger than what is there can be written."""
    with database.reading() as transaction:
        transaction.execute("PRAGMA max_page_count = 1")  # SQLite takes it as: no more than there are now
    yield
    with database.reading() as transaction:
        transaction.execute(f"PRAGMA max_page_count = {_MOST}")
