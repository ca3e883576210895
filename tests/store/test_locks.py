"""File locks between descriptors, as between processes."""

import os
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.store.locks import exclusive, lies_at, shared, take, try_exclusive, try_shared


def test_one_at_a_time_or_many_that_share(tmp_path: Path) -> None:
    """Who waits longer than patience hears that the store is busy."""
    lock = tmp_path / "lock"
    busy = pytest.raises(FreeholdError, match="store_busy")
    with shared(lock), shared(lock, patience_s=0), busy, exclusive(lock, patience_s=0):
        pass
    with exclusive(lock), pytest.raises(FreeholdError, match="store_busy"), shared(lock, patience_s=0):
        pass
    with exclusive(lock, patience_s=0):
        pass


def test_what_fails_inside_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    """A refusal of the file system inside the block leaves it as it came."""
    with pytest.raises(PermissionError, match="inside"), shared(tmp_path / "lock"):
        raise PermissionError("inside")


def test_a_lock_in_an_absent_folder_is_an_error(tmp_path: Path) -> None:
    """Only folders that may not be written to do without one."""
    with pytest.raises(FileNotFoundError), shared(tmp_path / "absent" / "lock"):
        pass


def test_folders_are_held(tmp_path: Path) -> None:
    """By any number that share; alone only when nobody does."""
    first, second = try_shared(tmp_path), try_shared(tmp_path)
    assert first is not None
    assert second is not None
    assert try_exclusive(tmp_path) is None
    os.close(first)
    os.close(second)
    alone = try_exclusive(tmp_path)
    assert alone is not None
    assert try_shared(tmp_path) is None
    os.close(alone)


def test_what_is_open_is_held_until_it_is_closed(tmp_path: Path) -> None:
    """And known again at its place, but not once another lies there, or none."""
    place = tmp_path / "file"
    with place.open("w") as file:
        with place.open("w") as other:
            assert take(other.fileno())
            assert not take(file.fileno())
        assert take(file.fileno())
        assert lies_at(file.fileno(), place)
        place.unlink()
        assert not lies_at(file.fileno(), place)
        place.touch()
        assert not lies_at(file.fileno(), place)
