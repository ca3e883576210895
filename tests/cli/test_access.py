"""The database that a command works on, and who it says was there."""

import json
from pathlib import Path

import pytest

from freehold.cli.access import database_of, node, person, register_of
from freehold.errors import FreeholdError


def test_without_a_configuration_it_is_the_homes(tmp_path: Path) -> None:
    """And is made there."""
    home = tmp_path / "home"
    with database_of(None, {"FREEHOLD_HOME": str(home)}, tmp_path) as database:
        assert database.place == str(home / "access.db")


def test_a_configuration_without_a_database_leaves_it_there(tmp_path: Path) -> None:
    """As one does that has nothing to say of access."""
    (tmp_path / "freehold.yaml").write_text(json.dumps({"models": [{"id": "a", "source": "/a"}]}))
    with register_of(None, {"FREEHOLD_HOME": str(tmp_path / "home")}, tmp_path) as register:
        register.create("a", "client")
        assert [record.name for record in register.records()] == ["a"]


def test_a_secret_that_is_missing_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """Not the keys of another database."""
    config = {"models": [{"id": "a", "source": "/a"}], "access": {"database": "${env:NOWHERE}"}}
    (tmp_path / "mine.yaml").write_text(json.dumps(config))
    environ = {"FREEHOLD_HOME": str(tmp_path / "home")}
    with pytest.raises(FreeholdError, match="secret_missing"), database_of("mine.yaml", environ, tmp_path):
        pass
    assert not (tmp_path / "home").exists()


def test_a_person_is_named_also_where_the_number_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers."""
    monkeypatch.setenv("LOGNAME", "ada")
    assert person() == "ada@terminal"
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert person() == "4000000@terminal"
    assert node()
