"""Keys: made once, kept as hashes, checked from memory."""

import hashlib
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.access import Keys
from freehold.access import keys as keys_module
from freehold.errors import FreeholdError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def keys(home: Path) -> Iterator[Keys]:
    """An empty set of keys."""
    made = Keys.open(home)
    yield made
    made.close()


def test_a_key_opens_and_nothing_near_it_does(keys: Keys) -> None:
    """256 random bits behind the prefix by which leaked keys are found."""
    key = keys.create("dify", "client")
    assert key.startswith("fh_")
    assert len(key) == len("fh_") + 43
    found = keys.check(key)
    assert (found.name, found.role) == ("dify", "client")
    for near in (key[:-1], key + "x", key.upper(), key[3:], "fh_"):
        with pytest.raises(FreeholdError, match="key_wrong"):
            keys.check(near)


@pytest.mark.parametrize("absent", [None, ""])
def test_no_key_is_another_error_than_a_wrong_one(keys: Keys, absent: str | None) -> None:
    """One says "send it", the other "check it"."""
    with pytest.raises(FreeholdError, match="key_missing"):
        keys.check(absent)


def test_the_key_itself_is_kept_nowhere(keys: Keys, home: Path) -> None:
    """The database has its hash, and only its owner may read even that."""
    key = keys.create("dify", "client")
    database = home / "access.db"
    assert key.encode() not in database.read_bytes()
    assert hashlib.sha256(key.encode()).digest() in database.read_bytes()
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert key not in repr(keys.check(key))


def test_keys_outlive_the_process(home: Path) -> None:
    """Another start accepts them."""
    first = Keys.open(home)
    key = first.create("dify", "client")
    first.close()
    second = Keys.open(home)
    assert second.check(key).name == "dify"
    second.close()


def test_a_name_is_taken_once(keys: Keys) -> None:
    """A key cannot be shown again, so that its name must not be given again unnoticed."""
    first = keys.create("dify", "client")
    with pytest.raises(FreeholdError, match="key_name_taken"):
        keys.create("dify", "client")
    assert keys.check(first).name == "dify"


def test_the_initial_key_is_made_once(keys: Keys, home: Path) -> None:
    """In a private file that holds exactly it; never where any key was made before."""
    path = keys.create_initial(home)
    assert path == home / "initial-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.check(path.read_text().strip()).name == "initial"
    assert keys.create_initial(home) is None


def test_processes_that_start_at_once_make_one_initial_key(home: Path) -> None:
    """The file holds the one that is valid."""
    home.mkdir()
    Keys.open(home).close()
    gate = threading.Barrier(4)
    made: list[Path | None] = []

    def start() -> None:
        keys = Keys.open(home)
        gate.wait()
        made.append(keys.create_initial(home))
        keys.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path is None for path in made) == [False, True, True, True]
    keys = Keys.open(home)
    assert keys.check((home / "initial-key").read_text().strip()).name == "initial"
    keys.close()


def test_no_initial_key_is_valid_when_its_file_cannot_be_written(keys: Keys, tmp_path: Path) -> None:
    """A key in nobody's hands would lock the house: the next start may make another."""
    with pytest.raises(OSError, match="gone"):
        keys.create_initial(tmp_path / "gone")
    assert keys.never_used()


def test_another_process_changes_are_noticed(home: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """New keys open, revoked ones no longer do, without a restart."""
    monkeypatch.setattr(keys_module, "REFRESH_S", 0.0)
    other = Keys.open(home)
    key = other.create("late", "client")
    assert keys.check(key).name == "late"
    other._database.execute("UPDATE keys SET revoked_at = 1 WHERE name = 'late'")
    with pytest.raises(FreeholdError, match="key_wrong"):
        keys.check(key)
    other.close()


def test_the_hot_path_asks_no_database(keys: Keys) -> None:
    """Between two looks at the database, checks are answered from memory."""
    key = keys.create("dify", "client")
    keys.check(key)
    statements: list[str] = []
    keys._refresh_at = float("inf")
    keys._database.set_trace_callback(statements.append)
    for _ in range(100):
        keys.check(key)
    assert statements == []


def test_a_home_that_is_no_folder_is_an_os_error(tmp_path: Path) -> None:
    """The door decides what that means."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Keys.open(tmp_path / "file")
    assert not Keys.exist_in(tmp_path / "file")


def test_a_locked_database_is_an_os_error(home: Path, keys: Keys) -> None:
    """Another writer that does not end is no defect of the file."""
    blocker = sqlite3.connect(home / "access.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    keys._database.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(OSError, match="locked"):
        keys.create("late", "client")
    blocker.close()


def test_a_damaged_database_is_told_as_such(home: Path) -> None:
    """With its path, and the way out."""
    home.mkdir()
    (home / "access.db").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 1000)
    with pytest.raises(FreeholdError) as caught:
        Keys.open(home)
    assert caught.value.code == "keys_unreadable"
    assert str(home / "access.db") in caught.value.cause


@given(st.text())
def test_whatever_is_presented_is_a_key_or_a_client_error(presented: str) -> None:
    """Also a text of a megabyte, or one that is not Unicode."""
    keys = Keys.in_memory()
    for text in (presented, presented * 1000, presented + "\ud800"):
        with pytest.raises(FreeholdError, match=r"key_wrong|key_missing"):
            keys.check(text)
    keys.close()


def test_a_key_that_is_accepted_is_written_nowhere_and_outlives_changes(tmp_path: Path) -> None:
    """Another process that makes keys does not end it; a reopened database knows nothing of it."""
    keys, other = Keys.open(tmp_path), Keys.open(tmp_path)
    keys.accept("x" * 600)
    other.create("dify", "client")
    keys._refresh_at = 0.0
    assert keys.check("x" * 600).name == "internal"
    with pytest.raises(FreeholdError):
        other.check("x" * 600)
    keys.close()
    other.close()
