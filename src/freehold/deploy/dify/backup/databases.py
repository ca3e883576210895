"""Databases of PostgreSQL by its own programs, run beside the server so that their versions agree."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from freehold.deploy.dify.backup.manifest import SavedDatabase
from freehold.deploy.dify.backup.place import Database, Place
from freehold.deploy.dify.backup.programs import feeding, reading, said
from freehold.errors import FreeholdError

COUNTED: Mapping[str, tuple[str, ...]] = {
    "dify": ("tenants", "accounts", "apps", "datasets", "documents", "document_segments", "upload_files", "providers")
}
"""The tables of a piece whose rows are counted; of any other piece all."""
MAINTENANCE = "postgres"
"""The database that every server has: what is asked of others is asked there."""
_PLAIN = frozenset({"plpgsql"})


def rows(place: Place, database: Database, sql: str, **values: str) -> list[list[str]]:
    """What a query answers; psql puts `values` where it says `:'name'` (a literal) or `:"name"` (an identifier).

    Raises `dify_backup_program_failed` with PostgreSQL's words.
    """
    words = ["psql", "-X", "-q", "--csv", "-t", "-v", "ON_ERROR_STOP=1", "-U", database.user, "-d", database.name]
    for name, value in values.items():
        words += ["-v", f"{name}={value}"]
    data = said(place.inside(database.service, (*words, "-f", "-")), _about(database), sql.encode())
    return [row or [""] for row in csv.reader(io.StringIO(data.decode("utf-8")))]


def server_version(place: Place, database: Database) -> str:
    """As `15.8`."""
    return rows(place, database, "SHOW server_version")[0][0].split()[0]


def exists(place: Place, database: Database) -> bool:
    """Whether the server has it."""
    sql = "SELECT 1 FROM pg_database WHERE datname = :'name'"
    return bool(rows(place, _maintenance(database), sql, name=database.name))


def tables(place: Place, database: Database) -> list[str]:
    """Those of schema `public`."""
    found = rows(place, database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [table for (table,) in found]


def counts(place: Place, database: Database) -> dict[str, int]:
    """Rows by table: of those in COUNTED as far as they are there, else of all of schema `public`."""
    wanted = COUNTED.get(database.piece)
    counted = [table for table in tables(place, database) if wanted is None or table in wanted]
    if not counted:
        return {}
    names = {f"t{number}": table for number, table in enumerate(counted)}
    sql = " UNION ALL ".join(f"SELECT :'{key}', count(*) FROM public.:\"{key}\"" for key in names)  # noqa: S608 - quoted
    return {table: int(count) for table, count in rows(place, database, sql, **names)}


def extensions(place: Place, database: Database) -> dict[str, str]:
    """The extensions of a database and their versions, what every database has left out."""
    found = rows(place, database, "SELECT extname, extversion FROM pg_extension ORDER BY 1")
    return {name: version for name, version in found if name not in _PLAIN}


def missing_extensions(place: Place, database: Database, wanted: Mapping[str, str]) -> list[str]:
    """Those that the server cannot give a database."""
    found = rows(place, _maintenance(database), "SELECT name FROM pg_available_extensions")
    return sorted(set(wanted) - {name for (name,) in found})


@contextmanager
def dump(place: Place, database: Database) -> Iterator[IO[bytes]]:
    """All of a database, as one snapshot of it."""
    words = ("pg_dump", "--format=custom", "-U", database.user, "-d", database.name)
    with reading(place.inside(database.service, words), _about(database)) as stream:
        yield stream


def make_beside(place: Place, database: Database, name: str, mark: str) -> Database:
    """A new, empty database on the same server, in place of one that an earlier attempt left.

    Raises `dify_backup_database_foreign` where one of that name is not ours, `dify_backup_right_missing`.
    """
    at = _maintenance(database)
    right = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    if rows(place, at, right) != [["t"]]:
        raise FreeholdError("dify_backup_right_missing", user=database.user, database=database.name)
    made = replace(database, name=name)
    if exists(place, made):
        if not mark_of(place, made).startswith(mark.partition(" ")[0]):
            raise FreeholdError("dify_backup_database_foreign", database=name)
        drop(place, made)
    rows(place, at, "CREATE DATABASE :\"name\" TEMPLATE template0 ENCODING 'UTF8'", name=name)
    set_mark(place, made, mark)
    return made


def mark_of(place: Place, database: Database) -> str:
    """The remark on a database; "" for none."""
    sql = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :'name'"
    found = rows(place, _maintenance(database), sql, name=database.name)
    return found[0][0] if found else ""


def set_mark(place: Place, database: Database, mark: str) -> None:
    """Remark on a database if it is there, which outlives this process; "" removes it."""
    if exists(place, database):
        sql = "COMMENT ON DATABASE :\"name\" IS :'mark'"  # PostgreSQL keeps no empty one
        rows(place, _maintenance(database), sql, name=database.name, mark=mark)


@contextmanager
def restoring(place: Place, database: Database) -> Iterator[IO[bytes]]:
    """What reads a dump into an empty database; the first mistake ends it."""
    words = ("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "-U", database.user, "-d", database.name)
    with feeding(place.inside(database.service, words), _about(database)) as stream:
        yield stream


def put_in_place(place: Place, database: Database, beside: Database) -> None:
    """Let `beside` take the name of `database`, which is dropped. Can be begun again wherever it was cut off."""
    aside = replace(database, name=f"{database.name}_freehold_old")
    if exists(place, database):
        drop(place, aside)
        _rename(place, database, aside.name)
    _rename(place, beside, database.name)
    drop(place, aside)


def drop(place: Place, database: Database) -> None:
    """Remove a database if it is there, whoever is connected."""
    rows(place, _maintenance(database), 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=database.name)


def saved(place: Place, database: Database, size: int, sha256: str) -> SavedDatabase:
    """What the manifest says of it."""
    return SavedDatabase(
        name=database.name,
        server=server_version(place, database),
        bytes=size,
        sha256=sha256,
        rows=counts(place, database),
        extensions=extensions(place, database),
    )


def _rename(place: Place, database: Database, name: str) -> None:
    """Nobody may be connected: whoever is, is sent away first."""
    sql = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name';
        ALTER DATABASE :"name" RENAME TO :"wanted"
    """
    rows(place, _maintenance(database), sql, name=database.name, wanted=name)


def _maintenance(database: Database) -> Database:
    return replace(database, name=MAINTENANCE)


def _about(database: Database) -> str:
    return f"database {database.name} ({database.service})"
