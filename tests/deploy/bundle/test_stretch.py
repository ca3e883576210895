"""Pieces of files."""

from pathlib import Path

import pytest

from freehold.deploy.bundle.stretch import BLOCK, Stretch
from freehold.errors import FreeholdError
from freehold.store.oci import digest_of


def test_a_stretch_is_its_bytes_and_no_others(tmp_path: Path) -> None:
    """Read at any place, in blocks, and summed; never what lies before or behind it."""
    inside = b"12345" * (BLOCK // 4)
    path = tmp_path / "file"
    path.write_bytes(b"before" + inside + b"behind")
    stretch = Stretch(path, 6, len(inside))
    assert b"".join(stretch.blocks()) == inside
    assert stretch.summed() == digest_of(inside)
    assert stretch.read(2, 3) == b"345"
    assert stretch.read(len(inside) - 2, 100) == b"45"
    assert stretch.read(len(inside) + 5, 100) == b""


def test_a_file_that_became_shorter_gives_less(tmp_path: Path) -> None:
    """And so another digest: nothing waits for what does not come."""
    path = tmp_path / "file"
    path.write_bytes(b"123")
    assert b"".join(Stretch(path, 0, 10).blocks()) == b"123"


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """A stick that was pulled out, say."""
    for act in (lambda one: one.read(0, 1), lambda one: one.summed()):
        with pytest.raises(FreeholdError) as caught:
            act(Stretch(tmp_path / "gone", 0, 10))
        assert caught.value.code == "bundle_unreadable"
