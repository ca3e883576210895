"""The head of the audit beside its database."""

import stat
from pathlib import Path

import pytest

from freehold.access.database import Database
from freehold.access.witness import FILE, Head, Witness


def test_the_newest_head_is_kept(tmp_path: Path) -> None:
    """Whoever is late with an older one changes nothing; only the owner may read it."""
    witness = Witness(tmp_path)
    assert witness.last() is None
    witness.saw(Head(5, "aa"))
    witness.saw(Head(4, "bb"))
    assert Witness(tmp_path).last() == Head(5, "aa")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"number": "x", "hash": 5}', b"\xff", b'{"number":1,"hash":"a","x":1}']
)
def test_a_file_of_others_is_told_and_replaced(tmp_path: Path, content: bytes) -> None:
    """Reading it fails, since that has to be seen; the next head takes its place."""
    (tmp_path / FILE).write_bytes(content)
    witness = Witness(tmp_path)
    with pytest.raises(ValueError, match=FILE):
        witness.last()
    witness.saw(Head(1, "aa"))
    assert witness.last() == Head(1, "aa")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """The caller decides what that means."""
    with pytest.raises(OSError, match="gone"):
        Witness(tmp_path / "gone").saw(Head(1, "aa"))


def test_a_first_command_about_a_database_elsewhere_keeps_its_head(tmp_path: Path) -> None:
    """Nothing made a home on that machine yet."""
    home = tmp_path / "new" / "home"
    with Database.open(tmp_path / "elsewhere") as elsewhere:
        Witness.of(elsewhere, home).saw(Head(1, "aa"))
        assert Witness.of(elsewhere, home).last() == Head(1, "aa")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_two_databases_have_two_files(tmp_path: Path) -> None:
    """A node that goes over to another database, or writes into two, would else see a broken chain in each."""
    with Database.open(tmp_path) as here, Database.open(tmp_path / "other") as there:
        first, second = Witness.of(here, tmp_path), Witness.of(there, tmp_path)
        first.saw(Head(5, "aa"))
        assert second.last() is None
        second.saw(Head(1, "bb"))
        assert (first.path.name, first.last()) == (FILE, Head(5, "aa"))
