"""Digests are remembered for as long as a file is the same, and not a moment longer."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from freehold.adapt.digests import DigestMemo


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SETTLED_S = 0.1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that has not been touched for SETTLED_S: ctime cannot be set back, so that time has to pass."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    while time.time_ns() - path.stat().st_ctime_ns <= SETTLED_S * 1e9:
        time.sleep(0.01)
    return path


@pytest.fixture
def memo(tmp_path: Path) -> DigestMemo:
    """Remembers what is older than SETTLED_S."""
    return DigestMemo(tmp_path / "memo", SETTLED_S)


def entries(memo: DigestMemo) -> list[Path]:
    return sorted(memo.folder.glob("*.json"))


def test_a_settled_file_is_read_once(file: Path, memo: DigestMemo) -> None:
    """The second answer comes from memory: it is given for bytes that changed behind every visible mark's back."""
    assert memo.sha256(file) == digest(b"one")
    (entry,) = entries(memo)
    entry.write_text(entry.read_text().replace(digest(b"one"), digest(b"remembered")))
    assert memo.sha256(file) == digest(b"remembered")


def test_changed_bytes_of_equal_size_and_mtime_are_noticed(file: Path, memo: DigestMemo) -> None:
    """`cp -p` and `touch -d` put mtime back; ctime and the inode tell."""
    before = file.stat()
    memo.sha256(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert memo.sha256(file) == digest(b"two")


def test_a_replaced_file_is_noticed(file: Path, tmp_path: Path, memo: DigestMemo) -> None:
    """Another inode under the same name."""
    memo.sha256(file)
    (tmp_path / "other").write_bytes(b"two")
    (tmp_path / "other").replace(file)
    assert memo.sha256(file) == digest(b"two")


def test_a_young_file_is_not_remembered(tmp_path: Path, memo: DigestMemo) -> None:
    """It could change once more within one tick of the clock and look the same."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    assert memo.sha256(path) == digest(b"one")
    assert entries(memo) == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"path": 3}', b"\xff\xfe"])
def test_a_damaged_entry_is_read_over(damage: bytes, file: Path, memo: DigestMemo) -> None:
    """The memo is a cache: it can be wrong only by being useless."""
    memo.sha256(file)
    entries(memo)[0].write_bytes(damage)
    assert memo.sha256(file) == digest(b"one")


def test_a_memo_that_cannot_be_written_only_costs_time(file: Path, tmp_path: Path, memo: DigestMemo) -> None:
    """Here a file stands where its folder should be."""
    (tmp_path / "memo").write_text("in the way")
    assert memo.sha256(file) == digest(b"one")


def test_two_names_of_one_file_are_one_entry(file: Path, tmp_path: Path, memo: DigestMemo) -> None:
    """Hugging Face's cache is made of links."""
    (tmp_path / "link").symlink_to(file)
    memo.sha256(file)
    memo.sha256(tmp_path / "link")
    assert len(entries(memo)) == 1


def test_an_absent_file_is_an_oserror(tmp_path: Path, memo: DigestMemo) -> None:
    """The caller knows what the file was for."""
    with pytest.raises(FileNotFoundError):
        memo.sha256(tmp_path / "nothing")
