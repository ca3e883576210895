"""The books of a node: its usage and its audit, in the database of its keys."""

import logging
from pathlib import Path

from freehold.access import Database
from freehold.access.books import Books
from freehold.access.failures import DatabaseError
from freehold.cli.access import node
from freehold.config import Access
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)


def open_books(access: Access, url: str | None, home: Path, telemetry: Telemetry) -> Books:
    """The books in the database at `url`, else under `home`, on a connection of their own; not started yet.

    Where it cannot be used now they are kept in memory and end with the process, and the log says so. Who wants a line
    for every request, or else no request, has none of that: it raises what the database does.
    """
    try:
        return _open(Database.open(home, url), access, telemetry, home)
    except DatabaseError as failure:
        if access.audit.inference and access.audit.when_full == "refuse":
            raise
        log.warning("Usage and audit of this run are kept in memory alone, and end with it: %s", failure)
        return _open(Database.in_memory(), access, telemetry, None)


def _open(database: Database, access: Access, telemetry: Telemetry, home: Path | None) -> Books:
    try:
        return Books(database, node(), telemetry, access, home)
    except BaseException:
        database.close()
        raise
