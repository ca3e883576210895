"""Databases by PostgreSQL's own programs."""

import pytest

from freehold.deploy.dify.backup import databases
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.world import World


def test_names_and_values_are_quoted_by_psql(untouched: World) -> None:
    """A database called like this is one database, and its remark is kept as it is."""
    place, dify = untouched.place, untouched.found().databases[0]
    name = f"""{dify.name}_a"b'c"""
    beside = databases.make_beside(place, dify, name, "freehold-restore it's")
    assert databases.mark_of(place, beside) == "freehold-restore it's"
    databases.set_mark(place, beside, "")
    assert databases.mark_of(place, beside) == ""
    assert databases.counts(place, beside) == {}
    databases.drop(place, beside)
    assert databases.mark_of(place, beside) is None
    databases.set_mark(place, beside, "nobody's")


@pytest.mark.parametrize("name", ["a=b'c\\d", "postgresql://x", "x" * 60])
def test_a_name_of_any_sort_keeps_its_place(untouched: World, name: str) -> None:
    """PostgreSQL reads some names as addresses and cuts long ones: what comes beside is another one all the same."""
    place, dify = untouched.place, untouched.found().databases[0]
    mine = databases.make_beside(place, dify, name, "freehold-restore 1")
    beside = databases.make_beside(place, mine, databases.name_beside(mine, "_freehold_new"), "freehold-restore 1")
    databases.rows(place, beside, "CREATE TABLE apps (id int); INSERT INTO apps VALUES (1)")
    with databases.dump(place, beside) as dumped:
        assert dumped.read().startswith(b"PGDMP")
    databases.put_in_place(place, mine, beside)
    assert databases.counts(place, mine) == {"apps": 1}
    databases.drop(place, mine)


def test_who_may_not_create_databases_is_told_before(untouched: World) -> None:
    """With the words that give the right."""
    untouched.postgres.sql("postgres", f"CREATE ROLE weak{untouched.number} LOGIN PASSWORD 'correct horse'")
    database = untouched.found().databases[0].__class__("dify", "db_postgres", "dify", f"weak{untouched.number}")
    with pytest.raises(FreeholdError) as refused:
        databases.make_beside(untouched.place, database, "x", "y")
    assert refused.value.code == "dify_backup_right_missing"
    untouched.postgres.sql("postgres", f"DROP ROLE weak{untouched.number}")
