"""PostgreSQL's own faults: away, back again, read-only, a wrong address, no driver."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.access import Database
from freehold.access.failures import DatabaseError
from freehold.errors import FreeholdError
from tests.postgres import Server

STEPS = (("CREATE TABLE notes (a TEXT)",),)
Schemas = Callable[[], str]


def test_a_connection_that_the_server_ended_is_opened_again(schema_of: Schemas, tmp_path: Path) -> None:
    """As after a restart of the server: reading and writing go on."""
    url = schema_of()
    with Database.open(tmp_path, url) as database, Database.open(tmp_path, url) as other:
        database.migrate("notes", STEPS)

        def end_it() -> None:
            ((own,),) = database._connection.execute("SELECT pg_backend_pid()")
            with other.reading() as transaction:
                transaction.rows("SELECT pg_terminate_backend(?, 10000)", (own,))

        end_it()
        with database.reading() as transaction:
            assert transaction.rows("SELECT * FROM notes") == []
        end_it()
        with database.writing() as transaction:
            transaction.execute("INSERT INTO notes VALUES ('x')")
        with database.reading() as transaction:
            assert transaction.rows("SELECT a FROM notes") == [("x",)]
        assert database.openings == 3


def test_a_connection_that_ends_inside_a_transaction_keeps_nothing(schema_of: Schemas, tmp_path: Path) -> None:
    """Whoever wrote is told, and the next transaction finds the other's lock gone."""
    url = schema_of()
    with Database.open(tmp_path, url) as database, Database.open(tmp_path, url) as other:
        database.migrate("notes", STEPS)

        def lose() -> None:
            with database.writing() as transaction:
                transaction.execute("INSERT INTO notes VALUES ('lost')")
                ((own,),) = transaction.rows("SELECT pg_backend_pid()")
                with other.reading() as reader:
                    reader.rows("SELECT pg_terminate_backend(?, 10000)", (own,))
                transaction.execute("INSERT INTO notes VALUES ('late')")

        with pytest.raises(DatabaseError) as caught:
            lose()
        assert caught.value.code == "database_gone"
        with database.writing() as transaction:
            assert transaction.rows("SELECT * FROM notes") == []


def test_nobody_there(tmp_path: Path) -> None:
    """Where it would be is told, the password is not."""
    with pytest.raises(DatabaseError) as caught:
        Database.open(tmp_path, "postgresql://freehold:hush@127.0.0.1:9/keys")
    assert caught.value.code == "database_gone"
    assert "127.0.0.1:9/keys" in caught.value.cause
    assert "hush" not in caught.value.cause


def test_a_wrong_password_is_not_repeated(postgres: Server, tmp_path: Path) -> None:
    """What the server says of it is."""
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        Database.open(tmp_path, f"postgresql://postgres:hush@127.0.0.1:{postgres.port}/postgres")
    assert "hush" not in caught.value.cause


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@h:port/x",
        "postgresql://u:5/hush@h/x",  # a password with a slash that is not escaped
        "postgresql://u:hush@[::/",
        "mysql://u:hush@h/x",
        "hush",
    ],
)
def test_what_is_no_address(url: str, tmp_path: Path) -> None:
    """Nothing of it is repeated: it may be a password in the wrong place."""
    with pytest.raises(FreeholdError) as caught:
        Database.open(tmp_path, url)
    assert caught.value.code == "database_url_invalid"
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_only_reads(schema_of: Schemas, tmp_path: Path) -> None:
    """A standby: what is there can be read."""
    url = schema_of()
    with Database.open(tmp_path, url) as database:
        database.migrate("notes", STEPS)
    with Database.open(tmp_path, f"{url}%20-cdefault_transaction_read_only%3Don") as standby:
        standby.migrate("notes", STEPS)
        with standby.reading() as transaction:
            assert transaction.rows("SELECT * FROM notes") == []
        with pytest.raises(DatabaseError) as caught, standby.writing() as transaction:
            transaction.execute("INSERT INTO notes VALUES ('x')")
        assert caught.value.code == "database_read_only"


def test_without_the_driver_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs no PostgreSQL needs no driver."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "freehold.access.postgres", raising=False)
    with pytest.raises(FreeholdError) as caught:
        Database.open(tmp_path, "postgresql://h/x")
    assert caught.value.code == "database_driver_missing"
    assert "freehold[postgres]" in caught.value.fix
