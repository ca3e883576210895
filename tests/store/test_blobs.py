"""Content by its digest."""

import os
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.store.blobs import Blobs
from freehold.store.oci import digest_of


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """Empty, with its folders."""
    blobs = Blobs(tmp_path / "store")
    for folder in (blobs.folder, blobs.incoming):
        folder.mkdir(parents=True)
    return blobs


def test_what_is_put_is_read(blobs: Blobs) -> None:
    """Once, under its digest, readable and no more; nothing stays aside."""
    digest = blobs.put(b"content")
    assert blobs.put(b"content") == digest == digest_of(b"content")
    assert blobs.read(digest) == b"content"
    assert blobs.has(digest, 7)
    assert not blobs.has(digest, 8)
    assert blobs.path(digest).stat().st_mode & 0o777 == 0o444
    assert list(blobs.incoming.iterdir()) == []
    blobs.settle()


def test_a_file_is_taken_in_by_its_digest(blobs: Blobs, tmp_path: Path) -> None:
    """One that is another is refused, whether the content is there already or not; nothing stays aside."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    digest = digest_of(b"content")
    for _ in range(2):
        blobs.copy(file, digest, 7)
        with pytest.raises(FreeholdError, match="artifact_corrupt"):
            blobs.copy(file, digest_of(b"another"), 7)
        file.write_bytes(b"changed")
        with pytest.raises(FreeholdError, match="artifact_corrupt"):
            blobs.copy(file, digest, 7)
        file.write_bytes(b"content")
    with pytest.raises(FreeholdError, match="artifact_invalid"):
        blobs.copy(tmp_path / "absent", digest_of(b"absent"), 6)
    assert blobs.read(digest) == b"content"
    assert list(blobs.incoming.iterdir()) == []


@pytest.mark.parametrize("how", ["read", "verify"])
def test_damage_is_seen_and_can_be_mended(blobs: Blobs, how: str) -> None:
    """The damaged file is moved aside, so the same content can be written again."""
    digest = blobs.put(b"content")
    blobs.path(digest).chmod(0o644)
    blobs.path(digest).write_bytes(b"c0ntent")
    with pytest.raises(FreeholdError, match="store_blob_corrupt") as told:
        getattr(blobs, how)(digest)
    assert str(blobs.path(digest)) in told.value.cause
    with pytest.raises(FreeholdError, match="store_blob_missing"):
        getattr(blobs, how)(digest)
    assert blobs.put(b"content") == digest
    assert blobs.read(digest) == b"content"


def test_digests_of_other_kinds_are_refused(blobs: Blobs) -> None:
    """And none of them becomes a path."""
    for digest in ("sha512:00", "sha256:../../etc/passwd", "", f"sha256:{'A' * 64}"):
        with pytest.raises(FreeholdError, match="store_damaged"):
            blobs.path(digest)


def test_no_room_is_said_before_anything_is_written(blobs: Blobs) -> None:
    """With the megabytes that are needed."""
    with pytest.raises(FreeholdError, match="store_full") as told, blobs.writing(1 << 60):
        raise AssertionError("nothing may be written")
    assert "1152921 MB" not in told.value.cause
    assert "1152921504607 MB" in told.value.cause


def test_what_fails_while_writing_leaves_nothing(blobs: Blobs) -> None:
    """Whatever the reason."""
    with pytest.raises(ZeroDivisionError), blobs.writing(1) as file:
        file.write(b"%d" % (1 // 0))
    with pytest.raises(FreeholdError, match="store_unwritable"), blobs.writing(1):
        raise OSError(5, os.strerror(5))
    assert list(blobs.incoming.iterdir()) == []
