"""Files and commands, read with limits."""

import sys
from pathlib import Path

import pytest

from freehold.deploy.doctor.reading import LARGEST_TEXT, UnreadableError, output_of, read_text


def test_a_file_is_read_up_to_a_megabyte(tmp_path: Path) -> None:
    """Bytes that are no text are replaced."""
    (tmp_path / "f").write_bytes(b"\xff" + b"a" * (LARGEST_TEXT + 5))
    assert read_text(tmp_path / "f") == "\ufffd" + "a" * (LARGEST_TEXT - 1)


def test_a_file_that_is_absent_says_so(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(UnreadableError, match="none: No such file or directory"):
        read_text(tmp_path / "none")


def test_a_command_tells_what_it_prints_or_why_it_failed() -> None:
    """A failure is told by its last line, or by its exit status."""
    assert output_of([sys.executable, "-c", "print('fine')"]) == "fine\n"
    with pytest.raises(UnreadableError, match=r"the last line$"):
        output_of([sys.executable, "-c", "import sys; sys.exit('first\\nthe last line')"])
    with pytest.raises(UnreadableError, match=r"exit 3$"):
        output_of([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(UnreadableError, match="no freehold-none on the PATH"):
        output_of(["freehold-none"])


def test_a_command_that_hangs_is_left_after_its_time(tmp_path: Path) -> None:
    """Also when a child of it holds the pipe open, and when it cannot be started at all."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 5 &\nsleep 5\n")
    slow.chmod(0o755)
    with pytest.raises(UnreadableError, match=r"took more than 0.2 s"):
        output_of([str(slow)], timeout=0.2)
    torn = tmp_path / "torn"
    torn.write_bytes(b"\x7fELF")
    torn.chmod(0o755)
    with pytest.raises(UnreadableError, match="torn"):
        output_of([str(torn)])


def test_a_command_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    """A gigabyte a second would be the end of the machine that is to be judged."""
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec yes\n")
    endless.chmod(0o755)
    with pytest.raises(UnreadableError, match="endless"):
        output_of([str(endless)])
