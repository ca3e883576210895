"""SQLite's own faults: read-only, gone, replaced, damaged, full."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.access import Database
from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError

STEPS = (("CREATE TABLE notes (a TEXT)",),)


def write(database: Database) -> None:
    """One row."""
    with database.writing() as transaction:
        transaction.execute("INSERT INTO notes VALUES ('x')")


def count(database: Database) -> int:
    """How many rows there are."""
    with database.reading() as transaction:
        ((rows,),) = transaction.rows("SELECT COUNT(*) FROM notes")
    return int(rows)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a database in which there is one row."""
    with Database.open(tmp_path / "home") as database:
        database.migrate("notes", STEPS)
        write(database)
    return tmp_path / "home"


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Nor the log beside it, which holds the same."""
    with Database.open(tmp_path / "home") as database:
        database.migrate("notes", STEPS)
        write(database)
        files = list((tmp_path / "home").iterdir())
        assert {file.name for file in files} >= {"access.db", "access.db-wal"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_file_that_may_only_be_read_is_read(home: Path) -> None:
    """As from a folder that is mounted read-only: nothing can be made beside it."""
    (home / "access.db").chmod(0o400)
    with Database.open(home) as database:
        database.migrate("notes", STEPS)
        assert count(database) == 1


def test_writing_what_may_only_be_read(home: Path) -> None:
    """A connection that SQLite itself made read-only stands for the file's mode, which does not bind root."""
    with Database.open(home) as database:
        database._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(DatabaseError) as caught:
            write(database)
        assert caught.value.code == "database_read_only"
        assert count(database) == 1


def test_a_file_that_went_away_takes_nothing(home: Path, tmp_path: Path) -> None:
    """What would be written to it nobody would find; it is never made anew behind a running server's back."""
    with Database.open(home) as database:
        database.migrate("notes", STEPS)
        (home / "access.db").rename(tmp_path / "aside.db")
        with pytest.raises(DatabaseError) as caught:
            write(database)
        assert caught.value.code == "database_gone"
        assert not (home / "access.db").exists()


def test_a_file_that_goes_away_inside_a_transaction(home: Path, tmp_path: Path) -> None:
    """Its end says so."""
    with Database.open(home) as database:
        database.migrate("notes", STEPS)

        def lose() -> None:
            with database.writing() as transaction:
                transaction.execute("INSERT INTO notes VALUES ('y')")
                (home / "access.db").rename(tmp_path / "aside.db")

        with pytest.raises(DatabaseError, match="moved or replaced"):
            lose()


def test_a_restored_file_is_opened_and_brought_up_to_date(home: Path, tmp_path: Path) -> None:
    """A backup from before the tables were made is as good as an empty database."""
    with Database.open(home) as database:
        database.migrate("notes", STEPS)
        write(database)
        before = database.openings
        for file in home.glob("access.db*"):
            file.unlink()
        sqlite3.connect(home / "access.db").close()
        (home / "access.db").touch()
        assert count(database) == 0
        assert database.openings == before + 1
        write(database)
        assert count(database) == 1


def test_rubbish_is_told_as_such(tmp_path: Path) -> None:
    """With its path, and the way out."""
    (tmp_path / "access.db").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 1000)
    with pytest.raises(FreeholdError) as caught:
        Database.open(tmp_path)
    assert caught.value.code == "keys_unreadable"
    assert str(tmp_path / "access.db") in caught.value.cause


def test_no_space_left(tmp_path: Path) -> None:
    """Nothing of the transaction is kept, and what was there can be read."""
    with Database.open(tmp_path) as database:
        database.migrate("notes", STEPS)
        write(database)
        ((pages,),) = database._connection.execute("PRAGMA page_count")
        database._connection.execute(f"PRAGMA max_page_count = {pages}")

        def fill() -> None:
            with database.writing() as transaction:
                transaction.execute_many("INSERT INTO notes VALUES (?)", [("x" * 4000,)] * 10)

        with pytest.raises(DatabaseError) as caught:
            fill()
        assert caught.value.code == "database_full"
        assert count(database) == 1


def test_a_killed_writer_leaves_what_it_committed(home: Path) -> None:
    """And nothing of what it had not; its lock ends with it."""
    script = (
        "import os, pathlib, sys; from freehold.access import Database\n"
        "database = Database.open(pathlib.Path(sys.argv[1]))\n"
        "with database.writing() as t: t.execute(\"INSERT INTO notes VALUES ('kept')\")\n"
        "held = database.writing()\n"
        "transaction = held.__enter__()\n"
        "transaction.execute(\"INSERT INTO notes VALUES ('lost')\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, home], check=False).returncode == -9
    with Database.open(home) as database:
        database.migrate("notes", STEPS)
        assert count(database) == 2
        write(database)


def test_databases_of_one_process_keep_one_anothers_locks(home: Path) -> None:
    """Closing any descriptor of a file ends the process's locks on it (fcntl(2)): others would take away its log."""
    script = (
        "import pathlib, sys; from freehold.access import Database\n"
        "with Database.open(pathlib.Path(sys.argv[1])) as database, database.writing() as t:\n"
        "    t.execute(\"INSERT INTO notes VALUES ('x')\")\n"
    )
    with Database.open(home) as database:
        assert count(database) == 1
        Database.open(home).close()
        for rows in (2, 3):
            subprocess.run([sys.executable, "-c", script, home], check=True)
            assert count(database) == rows


def test_a_home_that_is_no_folder(tmp_path: Path) -> None:
    """An OSError that has a cause and a fix."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="file"):
        Database.open(tmp_path / "file")
