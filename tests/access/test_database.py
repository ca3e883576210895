"""One small database over SQLite and PostgreSQL: what holds on both."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from freehold.access import Database
from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError
from tests.access.conftest import Place

STEPS = (("CREATE TABLE notes (writer TEXT NOT NULL, number BIGINT NOT NULL, size DOUBLE PRECISION, raw BYTEA)",),)
INSERT = "INSERT INTO notes (writer, number) VALUES (?, ?)"
WRITERS, NOTES = 64, 4


def test_every_type_comes_back_as_it_was(database: Database) -> None:
    """Text of any script, large integers, doubles, bytes and nothing."""
    row = ("键", 1 << 60, 0.1 + 0.2, b"\x00\xff", None)
    database.migrate("notes", (("CREATE TABLE t (a TEXT, b BIGINT, c DOUBLE PRECISION, d BYTEA, e TEXT)",),))
    with database.writing() as transaction:
        transaction.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
    with database.reading() as transaction:
        assert transaction.rows("SELECT a, b, c, d, e FROM t") == [row]


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    """What was written before the failure is not there."""
    database.migrate("notes", STEPS)

    def write_half() -> None:
        with database.writing() as transaction:
            transaction.execute_many(INSERT, [("a", 1), ("a", 2)])
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    with database.writing() as transaction:
        transaction.execute(INSERT, ("b", 1))
    with database.reading() as transaction:
        assert transaction.rows("SELECT writer, number FROM notes") == [("b", 1)]


def test_what_one_connection_wrote_another_reads(place: Place) -> None:
    """Two nodes, or a server and a command."""
    one, other = place.open(), place.open()
    one.migrate("notes", STEPS)
    other.migrate("notes", STEPS)
    with one.writing() as transaction:
        transaction.execute(INSERT, ("a", 1))
        with other.reading() as reader:
            assert reader.rows("SELECT * FROM notes") == []  # readers wait for nobody, and see nothing half-done
    with other.reading() as reader:
        assert reader.rows("SELECT writer FROM notes") == [("a",)]
    one.close()
    other.close()


def test_many_writers_at_once_lose_nothing(place: Place) -> None:
    """64 connections, each of which counts on from what it read: one lost update would show."""
    with place.open() as first:
        first.migrate("notes", STEPS)

    def write(name: int) -> None:
        with place.open() as database:
            for _ in range(NOTES):
                with database.writing() as transaction:
                    ((latest,),) = transaction.rows("SELECT COALESCE(MAX(number), 0) FROM notes")
                    transaction.execute(INSERT, (str(name), latest + 1))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    with place.open() as database, database.reading() as transaction:
        numbers = [number for (number,) in transaction.rows("SELECT number FROM notes ORDER BY number")]
    assert numbers == list(range(1, WRITERS * NOTES + 1))


def test_threads_share_one_database(database: Database) -> None:
    """They take turns."""
    database.migrate("notes", STEPS)

    def write(name: int) -> None:
        with database.writing() as transaction:
            transaction.execute(INSERT, (str(name), 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with database.reading() as transaction:
        assert transaction.rows("SELECT COUNT(*) FROM notes") == [(40,)]


def test_a_migration_goes_on_where_the_last_one_ended(place: Place) -> None:
    """Each step runs once, whatever else is kept in the same database."""
    later = (*STEPS, ("ALTER TABLE notes ADD COLUMN text TEXT NOT NULL DEFAULT 'none'",))
    with place.open() as database:
        database.migrate("notes", STEPS)
        database.migrate("others", (("CREATE TABLE others (a TEXT)",),))
        with database.writing() as transaction:
            transaction.execute(INSERT, ("a", 1))
    for _ in range(2):
        with place.open() as database:
            database.migrate("notes", later)
            with database.reading() as transaction:
                assert transaction.rows("SELECT writer, text FROM notes") == [("a", "none")]


def test_a_migration_that_fails_changes_nothing(place: Place) -> None:
    """The next start finds the version before, whole."""
    with place.open() as database:
        database.migrate("notes", STEPS)
        with pytest.raises(Exception, match="nowhere"):
            database.migrate("notes", (*STEPS, ("ALTER TABLE notes ADD COLUMN x TEXT", "UPDATE nowhere SET a = 1")))
        with database.reading() as transaction:
            assert transaction.rows("SELECT version FROM schema_versions WHERE area = 'notes'") == [(1,)]
        database.migrate("notes", (*STEPS, ("ALTER TABLE notes ADD COLUMN x TEXT",)))


def test_processes_that_start_at_once_migrate_once(place: Place) -> None:
    """Eight connections to an empty database, at the same moment."""
    gate = threading.Barrier(8)

    def start(_: int) -> None:
        with place.open() as database:
            gate.wait()
            database.migrate("notes", STEPS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))


def test_a_later_release_made_it(database: Database) -> None:
    """An older program does not touch what it cannot understand."""
    database.migrate("notes", (*STEPS, ("CREATE TABLE more (a TEXT)",)))
    with pytest.raises(FreeholdError, match="database_newer"):
        database.migrate("notes", STEPS)


def test_another_writer_that_does_not_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told after a while, and can go on once the other has ended."""
    monkeypatch.setattr("freehold.access.database.PATIENCE_S", 0.05)
    with place.open() as one, place.open() as other:
        one.migrate("notes", STEPS)
        with one.writing() as transaction:
            transaction.execute(INSERT, ("one", 1))
            with pytest.raises(DatabaseError, match="another writer") as caught, other.writing():
                pass
        assert caught.value.code == "database_locked"
        with other.writing() as transaction:
            transaction.execute(INSERT, ("other", 1))


def test_the_clock_is_the_databases(database: Database) -> None:
    """Seconds since 1970, which go on."""
    with database.reading() as transaction:
        first = transaction.now()
        assert 1_700_000_000 < first <= transaction.now()


def test_its_place_says_where_and_no_secret(place: Place) -> None:
    """For messages: a path, or a host."""
    with place.open() as database:
        assert "correct" not in database.place
        assert (str(place.home) if place.url is None else "127.0.0.1") in database.place
