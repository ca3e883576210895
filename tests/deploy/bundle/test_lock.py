"""The lock file of a loaded bundle."""

from pathlib import Path

import pytest

from freehold.deploy.bundle.lock import FILE, read_lock, write_lock
from freehold.errors import FreeholdError


def test_a_lock_reads_as_it_was_written(tmp_path: Path) -> None:
    """And where none is nothing is locked."""
    assert read_lock(tmp_path) == {}
    images = {"redis:7": "sha256:1", "ours:1": "id:sha256:2"}
    assert write_lock(tmp_path, "sha256:b", images) == tmp_path / FILE
    assert read_lock(tmp_path) == images


def test_a_lock_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Nobody is to deploy by tags where a lock was meant."""
    for make in (lambda path: path.write_text("{"), lambda path: (path.unlink(), path.mkdir())):
        make(tmp_path / FILE)
        with pytest.raises(FreeholdError) as caught:
            read_lock(tmp_path)
        assert caught.value.code == "bundle_lock_unreadable"
