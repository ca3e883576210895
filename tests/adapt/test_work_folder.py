"""The folder of one conversion goes with it, however that ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from freehold.adapt.work_folder import work_folder


def test_the_folder_goes_when_the_block_ends(tmp_path: Path) -> None:
    """Also after an error, and with all that lies in it."""
    with pytest.raises(IsADirectoryError), work_folder(tmp_path / "work") as folder:
        folder.read_text()
    with work_folder(tmp_path / "work") as folder:
        (folder / "file").write_text("x")
    assert list((tmp_path / "work").iterdir()) == []


def test_two_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    """A second conversion does not sweep up the first."""
    with work_folder(tmp_path) as one, work_folder(tmp_path) as other:
        assert one != other
        assert one.is_dir()


def test_what_a_killed_conversion_left_is_swept_up(tmp_path: Path) -> None:
    """The lock is gone with its process, so the next conversion removes the folder."""
    script = (
        "import os, sys; from pathlib import Path; from freehold.adapt.work_folder import work_folder\n"
        "with work_folder(Path(sys.argv[1])) as folder:\n    (folder / 'big').touch(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    with work_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "work").write_text("x")
    with pytest.raises(OSError, match="work"), work_folder(tmp_path / "work"):
        pass


def test_a_folder_that_goes_meanwhile_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another conversion removes its own without asking anybody, here between the list and the look."""
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / "gone", *listed(path)]))
    with work_folder(tmp_path) as folder:
        assert folder.is_dir()
