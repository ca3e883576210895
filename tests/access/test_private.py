"""Files that only their owner reads."""

import stat
from pathlib import Path

import pytest

from freehold.access.private import write_private


def test_a_private_file_is_its_owners(tmp_path: Path) -> None:
    """Mode 600, whatever the umask, and nothing beside it."""
    write_private(tmp_path / "key", b"secret")
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    """It is replaced, not written into."""
    (tmp_path / "key").write_text("old")
    (tmp_path / "key").chmod(0o644)
    write_private(tmp_path / "key", b"new")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """The name is taken by a folder: what was written aside goes."""
    (tmp_path / "key").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "key", b"secret")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
