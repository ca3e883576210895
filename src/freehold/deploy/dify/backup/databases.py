"""Databases of PostgreSQL by its own programs, run beside the server so that their versions agree."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
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
KNOWING_ITSELF = 'PGPASSWORD="${POSTGRES_PASSWORD:-}" exec "$@"'
"""For a shell of the server's container, whose image trusts its own socket: where that was changed, the container knows
the password itself."""
MARK = "freehold-restore"
"""Begins the remark on databases that are being restored; the backup's id follows."""
OLD = "_freehold_old"
_LONGEST = 63  # bytes of a name: NAMEDATALEN
_PLAIN = frozenset({"plpgsql"})


def rows(place: Place, database: Database, sql: str, **values: str) -> list[list[str]]:
    """What a query answers; psql puts `values` where it says `:'name'` (a literal) or `:"name"` (an identifier).

    Raises `dify_backup_program_failed` with PostgreSQL's words.
    """
    words = ["psql", "-X", "-q", "--csv", "-t", "-v", "ON_ERROR_STOP=1", "-U", database.user, "-d", _named(database)]
    for name, value in values.items():
        words += ["-v", f"{name}={value}"]
    data = said(place.inside(database.service, (*words, "-f", "-")), _about(database), sql.encode())
    return [row or [""] for row in csv.reader(io.StringIO(data.decode("utf-8")))]


def server_version(place: Place, database: Database) -> str:
    """As `15.8`."""
    return rows(place, database, "SHOW server_version")[0][0].split()[0]


def tables(place: Place, database: Database) -> list[str]:
    """Those of schema `public`."""
    found = rows(place, database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [table for (table,) in found]


def counts(place: Place, database: Database) -> dict[str, int]:
    """Rows by table: of those in COUNTED as far as they are there, else of all of schema `public`."""
    wanted = COUNTED.get(database.piece)
    sql = r"""
        SELECT format('SELECT %L, count(*) FROM public.%I', tablename, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND (:'wanted' = '' OR tablename = ANY (string_to_array(:'wanted', ',')))
        ORDER BY tablename \gexec
    """
    found = rows(place, database, sql, wanted=",".join(wanted or ()))
    return {table: int(count) for table, count in found}


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
    words = ("pg_dump", "--format=custom", "-U", database.user, "-d", _named(database))
    with reading(place.inside(database.service, words), _about(database)) as stream:
        yield stream


def name_beside(database: Database, suffix: str) -> str:
    """What a database beside it is called. PostgreSQL cuts longer names without a word: a long one goes by its hash."""
    name = f"{database.name}{suffix}"
    return name if len(name.encode()) <= _LONGEST else f"{sha256(database.name.encode()).hexdigest()[:16]}{suffix}"


def make_beside(place: Place, database: Database, name: str, mark: str) -> Database:
    """A new, empty database on the same server, in place of one that an earlier attempt left.

    Raises `dify_backup_database_foreign` where one of that name is not ours, `dify_backup_right_missing`.
    """
    at, made = _maintenance(database), replace(database, name=name)
    right = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    if rows(place, at, right) != [["t"]]:
        raise FreeholdError("dify_backup_right_missing", user=database.user, database=database.name)
    there = mark_of(place, made)
    if there is not None and not there.startswith(mark.partition(" ")[0]):
        raise FreeholdError("dify_backup_database_foreign", database=name)
    sql = """
        DROP DATABASE IF EXISTS :"name" WITH (FORCE);
        CREATE DATABASE :"name" TEMPLATE template0 ENCODING 'UTF8';
        COMMENT ON DATABASE :"name" IS :'mark';
    """
    rows(place, at, sql, name=name, mark=mark)
    return made


def mark_of(place: Place, database: Database) -> str | None:
    """The remark on a database, "" for none; None where there is no such database."""
    sql = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :'name'"
    found = rows(place, _maintenance(database), sql, name=database.name)
    return found[0][0] if found else None


def check_whole(place: Place, databases: Iterable[Database]) -> None:
    """Raises `dify_backup_half_restored` where one of them is being restored, or that was cut off."""
    for mark in (mark_of(place, database) or "" for database in databases):
        if mark.startswith(MARK):
            raise FreeholdError("dify_backup_half_restored", id=mark.partition(" ")[2])


def set_mark(place: Place, database: Database, mark: str) -> None:
    """Remark on a database if it is there, which outlives this process; "" removes it."""
    sql = r"""
        SELECT format('COMMENT ON DATABASE %I IS %L', datname, :'mark') FROM pg_database WHERE datname = :'name' \gexec
    """
    rows(place, _maintenance(database), sql, name=database.name, mark=mark)  # PostgreSQL keeps no empty one


@contextmanager
def restoring(place: Place, database: Database) -> Iterator[IO[bytes]]:
    """What reads a dump into an empty database; the first mistake ends it."""
    options = ("--no-owner", "--no-privileges", "--exit-on-error")
    words = ("pg_restore", *options, "-U", database.user, "-d", _named(database))
    with feeding(place.inside(database.service, words), _about(database)) as stream:
        yield stream


def put_in_place(place: Place, database: Database, beside: Database) -> None:
    """Let `beside` take the name of `database`, which is dropped. Who is connected to either is sent away first."""
    sql = r"""
        DROP DATABASE IF EXISTS :"aside" WITH (FORCE);
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'name', :'beside');
        SELECT format('ALTER DATABASE %I RENAME TO %I', datname, :'aside')
        FROM pg_database WHERE datname = :'name' \gexec
        ALTER DATABASE :"beside" RENAME TO :"name";
        DROP DATABASE IF EXISTS :"aside" WITH (FORCE);
    """
    names = {"name": database.name, "beside": beside.name, "aside": name_beside(database, OLD)}
    rows(place, _maintenance(database), sql, **names)


def drop(place: Place, database: Database) -> None:
    """Remove a database if it is there, whoever is connected."""
    rows(place, _maintenance(database), 'DROP DATABASE IF EXISTS :"name" WITH (FORCE)', name=database.name)


def saved(place: Place, database: Database, size: int, digest: str) -> SavedDatabase:
    """What the manifest says of it."""
    return SavedDatabase(
        name=database.name,
        server=server_version(place, database),
        bytes=size,
        sha256=digest,
        rows=counts(place, database),
        extensions=extensions(place, database),
    )


def _named(database: Database) -> str:
    """For `-d`, which takes a name with `=` or `://` in it for something else."""
    escaped = database.name.replace("\\", r"\\").replace("'", r"\'")
    return f"dbname='{escaped}'"


def _maintenance(database: Database) -> Database:
    return replace(database, name=MAINTENANCE)


def _about(database: Database) -> str:
    return f"database {database.name} ({database.service})"
