"""One change at a time, and who makes it."""

import os
import socket
from pathlib import Path

import msgspec
import pytest

from freehold.deploy.releases.lock import Holder, held
from freehold.errors import FreeholdError


def refused(path: Path) -> FreeholdError:
    """Why somebody else may not change it."""
    with pytest.raises(FreeholdError) as caught, held(path, "deploy"):
        pass
    return caught.value


def test_a_second_change_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    """Its user, process, command and time; when it is over the next one may."""
    path = tmp_path / "shop" / "lock"
    with held(path, "rollback", lambda: 1_800_000_000.0) as holder:
        error = refused(path)
        assert error.code == "deploy_busy"
        assert error.details == {
            "user": holder.user,
            "pid": os.getpid(),
            "what": "rollback",
            "since": "2027-01-15 08:00:00 UTC",
        }
    with held(path, "deploy"):
        pass


def test_folders_that_are_made_for_it_are_nobody_elses(tmp_path: Path) -> None:
    """Whatever the umask: who may rename a folder above decides what is deployed."""
    before = os.umask(0)
    try:
        with held(tmp_path / "home" / "releases" / "shop" / "lock", "deploy"):
            pass
    finally:
        os.umask(before)
    made = [tmp_path / "home", tmp_path / "home" / "releases", tmp_path / "home" / "releases" / "shop"]
    assert {folder.stat().st_mode & 0o777 for folder in made} == {0o700}


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(tmp_path: Path) -> None:
    """The kernel has dropped it, whatever its file says."""
    path = tmp_path / "lock"
    path.write_bytes(msgspec.json.encode(Holder("ops", socket.gethostname(), 1, 0.0, "deploy")))
    with held(path, "deploy"):
        pass
    assert path.read_bytes() == b""


def test_a_name_of_another_machine_is_shown_and_left(tmp_path: Path) -> None:
    """Whether that process lives cannot be told from here."""
    path = tmp_path / "lock"
    written = msgspec.json.encode(Holder("ops", "elsewhere", 4711, 0.0, "deploy"))
    path.write_bytes(written)
    error = refused(path)
    assert (error.code, error.details["host"], error.details["path"]) == ("deploy_held_elsewhere", "elsewhere", path)
    assert path.read_bytes() == written


def test_a_holder_that_has_not_written_its_name_yet_holds_all_the_same(tmp_path: Path) -> None:
    """As one whose disk is full."""
    path = tmp_path / "lock"
    with held(path, "deploy"):
        path.write_bytes(b"")
        assert refused(path).code == "deploy_busy"


def test_the_lock_goes_with_a_failure(tmp_path: Path) -> None:
    """Nobody waits for what has ended."""
    path = tmp_path / "lock"
    with pytest.raises(KeyboardInterrupt), held(path, "deploy"):
        raise KeyboardInterrupt
    with held(path, "deploy"):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """In our words, with its path."""
    (tmp_path / "releases").touch()
    assert refused(tmp_path / "releases" / "shop" / "lock").code == "releases_unwritable"


def test_a_disk_without_room_for_a_name_is_told() -> None:
    """Before anything is changed."""
    with pytest.raises(FreeholdError, match="releases_unwritable"), held(Path("/dev/full"), "deploy"):
        pass
