"""Content to send."""

from pathlib import Path

from freehold.store.oci import digest_of
from freehold.store.registry.content import BytesContent, FileContent


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    """Any piece of it, and nothing behind its end."""
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    content = FileContent(path, digest_of(b"0123456789"), 10)
    assert [content.read(offset, 4) for offset in (0, 4, 8, 12)] == [b"0123", b"4567", b"89", b""]


def test_bytes_know_their_digest() -> None:
    """A document in memory needs nothing said about it."""
    content = BytesContent(b"0123456789")
    assert (content.size, content.digest) == (10, digest_of(b"0123456789"))
    assert content.read(8, 4) == b"89"
