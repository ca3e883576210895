"""Word of a restore that is under way."""

from pathlib import Path

import pytest

from freehold.deploy.dify.backup import underway
from freehold.errors import FreeholdError


def test_what_was_cut_off_is_told_until_it_has_ended(tmp_path: Path) -> None:
    """With the backup that finishes it."""
    folder = tmp_path / "shop"
    underway.check(folder)
    underway.begin(folder, Path("/saved/one.age"))
    with pytest.raises(FreeholdError) as caught:
        underway.check(folder)
    assert (caught.value.code, caught.value.details["backup"]) == ("dify_restore_interrupted", "/saved/one.age")
    underway.end(folder)
    underway.check(folder)


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Before anything is changed."""
    (tmp_path / "shop").touch()
    with pytest.raises(FreeholdError) as caught:
        underway.begin(tmp_path / "shop", Path("/saved/one.age"))
    assert caught.value.code == "dify_backup_unwritable"
