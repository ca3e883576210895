"""`index.json`: read by anyone, changed by one."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.store.index import Entry, Index
from freehold.store.index_file import IndexFile
from freehold.store.locks import exclusive
from freehold.store.oci import ImageManifest, digest_of

ENTRY = Entry("m", "1", digest_of(b"a"), digest_of(b"b"), 1, 2, datetime(2026, 1, 1, tzinfo=UTC))


def unread(digest: str) -> ImageManifest:
    raise AssertionError(f"{digest} was read")


@pytest.fixture
def file(tmp_path: Path) -> IndexFile:
    """The index of an empty folder."""
    return IndexFile(tmp_path, unread)


def test_a_layout_begins_once(file: IndexFile, tmp_path: Path) -> None:
    """Empty, with its version; what is there is left as it is."""
    assert (file.exists(), file.read()) == (False, Index())
    file.begin()
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    file.change(lambda index: index.with_tag(ENTRY))
    file.begin()
    assert (file.exists(), file.read().entries) == (True, (ENTRY,))
    assert IndexFile(tmp_path, unread).read().entries == (ENTRY,)


def test_an_index_without_its_layout_is_still_read(file: IndexFile, tmp_path: Path) -> None:
    """Its first writer was killed between the two; the next one writes what is missing."""
    file.begin()
    file.change(lambda index: index.with_tag(ENTRY))
    (tmp_path / "oci-layout").unlink()
    fresh = IndexFile(tmp_path, unread)
    assert fresh.read().entries == (ENTRY,)
    fresh.begin()
    assert (tmp_path / "oci-layout").is_file()


def test_a_change_is_whole_or_none(file: IndexFile, tmp_path: Path) -> None:
    """What fails inside changes nothing, in the history neither; no change writes nothing."""
    file.begin()
    before = (tmp_path / "index.json").stat()
    assert file.change(lambda index: index) == Index()
    with pytest.raises(ZeroDivisionError):
        file.change(lambda index: 1 // 0)  # type: ignore[arg-type,return-value] # it fails
    assert (tmp_path / "index.json").stat().st_ino == before.st_ino
    assert not (tmp_path / "history.jsonl").exists()
    file.change(lambda index: index.with_tag(ENTRY))
    (move,) = file.history.moves(file.read().tags)
    assert (move.before, move.after) == ("", ENTRY.digest)


def test_readers_wait_for_nobody(file: IndexFile, tmp_path: Path) -> None:
    """Also while a writer holds its lock."""
    file.begin()
    with exclusive(tmp_path / "index.lock"):
        assert file.read() == Index()


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b""])
def test_damage_is_named(file: IndexFile, tmp_path: Path, content: bytes) -> None:
    """And never written over."""
    file.begin()
    (tmp_path / "index.json").write_bytes(content)
    fresh = IndexFile(tmp_path, unread)
    for verb in (file.read, fresh.read, lambda: file.change(lambda index: index.with_tag(ENTRY))):
        with pytest.raises(FreeholdError, match="store_damaged"):
            verb()
    assert (tmp_path / "index.json").read_bytes() == content
    (tmp_path / "index.json").unlink()
    (tmp_path / "index.json").mkdir()
    with pytest.raises(FreeholdError, match="store_unreadable"):
        file.read()
