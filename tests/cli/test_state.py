"""The folder of state."""

import logging
import os
import tempfile
from pathlib import Path

import pytest

from freehold.cli.state import State, warn_if_unwritable
from freehold.errors import FreeholdError


def test_a_folder_that_can_be_written_is_kept(tmp_path: Path) -> None:
    """Made when it is missing, for this user alone, and left in place."""
    home = tmp_path / "deep" / "home"
    with State.of(home) as state:
        assert (state.home, state.writable, state.kept) == (home, home, True)
    assert home.is_dir()
    assert home.stat().st_mode & 0o777 == 0o700
    assert list(home.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_replaced_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A temporary folder, gone afterwards, and a warning with the reason and the way out."""
    home = tmp_path / "file"
    home.touch()
    with caplog.at_level(logging.WARNING), State.of(home) as state:
        assert not state.kept
        assert state.home == home
        (state.writable / "graph").write_text("written")
    assert not state.writable.exists()
    assert str(home) in caplog.text
    assert "chown" in caplog.text


def test_a_machine_where_nothing_can_be_written_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with a read-only root and no /tmp: the error names the option that gives it one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    (tmp_path / "file").touch()
    with pytest.raises(FreeholdError) as caught:
        State.of(tmp_path / "file")
    assert caught.value.code == "nothing_writable"
    assert "--tmpfs /tmp" in caught.value.fix


@pytest.mark.parametrize("wanted", ["/proc/nowhere/home", "/proc/nowhere"])
def test_a_home_that_cannot_be_written_is_said_without_making_anything(
    wanted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the folder, its user and, for containers, where that is to be done."""
    warn_if_unwritable(Path(wanted))
    assert f"chown -R {os.getuid()} {wanted}" in caplog.text
    assert "on its host" in caplog.text


def test_a_home_that_can_be_made_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And it is not made."""
    warn_if_unwritable(tmp_path / "deep" / "home")
    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == []
