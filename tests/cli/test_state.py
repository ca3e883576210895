"""The folder of state."""

import logging
from pathlib import Path

import pytest

from freehold.cli.state import State


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
