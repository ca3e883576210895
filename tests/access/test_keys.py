"""The keys that count now: checked from memory, followed in the database."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.access import Database, Keys, Limits, Register
from freehold.access import keys as keys_module
from freehold.access.guessing import ATTEMPTS
from freehold.errors import FreeholdError
from tests.access.conftest import Clock, Place

PATIENCE_S = 20.0  # only a broken test waits this long
MANY = 2_000


@pytest.fixture
def keys(database: Database, clock: Clock) -> Keys:
    """An empty set of keys that nobody follows."""
    return Keys(Register(database, clock), clock)


@pytest.fixture
def followed(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """An empty set of keys that follows its database closely."""
    for name in ("REFRESH_S", "LEAST_S"):
        monkeypatch.setattr(keys_module, name, 0.005)
    made = Keys.open(place.home, place.url)
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def opens(keys: Keys, key: str) -> bool:
    """Whether it counts."""
    try:
        keys.check(key)
    except FreeholdError as refused:
        assert refused.code in ("key_wrong", "key_expired")  # noqa: PT017 - the other half of the answer
        return False
    return True


def test_a_key_opens_and_nothing_near_it_does(keys: Keys) -> None:
    """Not even one character less."""
    key = keys.create("dify", "client")
    found = keys.check(key)
    assert (found.name, found.role) == ("dify", "client")
    assert key not in repr(found)
    for near in (key[:-1], key + "x", key.upper(), key[3:], "fh_"):
        with pytest.raises(FreeholdError, match="key_wrong"):
            keys.check(near)


@pytest.mark.parametrize("absent", [None, ""])
def test_no_key_is_another_error_than_a_wrong_one(keys: Keys, absent: str | None) -> None:
    """One says "send it", the other "check it"."""
    with pytest.raises(FreeholdError, match="key_missing"):
        keys.check(absent)


def test_keys_outlive_the_process(place: Place) -> None:
    """Another start accepts them."""
    first = Keys.open(place.home, place.url)
    key = first.create("dify", "client")
    first.close()
    second = Keys.open(place.home, place.url)
    assert second.check(key).name == "dify"
    second.close()


def test_changes_of_another_process_are_noticed_without_a_request(place: Place, followed: Keys) -> None:
    """A new key opens, a rotated one in its place, a revoked one no more, nobody asking meanwhile."""
    with place.open() as database:
        register = Register(database)
        key = register.create("late", "client", models=["a"], limits=Limits(parallel=3))
        until(lambda: opens(followed, key))
        assert followed.check(key).models == {"a"}
        second = register.rotate("late", 3600)
        until(lambda: opens(followed, second))
        assert opens(followed, key)
        register.rotate("late", 3600)
        until(lambda: not opens(followed, key))
        register.revoke("late")
        until(lambda: not opens(followed, second))


def test_a_key_that_nobody_knows_may_be_new(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for at once, however seldom the database is asked else: who makes a key uses it."""
    monkeypatch.setattr(keys_module, "REFRESH_S", 10 * PATIENCE_S)
    keys = Keys.open(place.home, place.url)
    with place.open() as database:
        key = Register(database).create("new", "client")
    until(lambda: opens(keys, key))
    keys.close()


def test_two_rotations_between_two_looks_end_the_first_key(keys: Keys) -> None:
    """What is in the database no more is not remembered."""
    first = keys.create("dify", "client")
    second = keys.register.rotate("dify", 3600)
    third = keys.register.rotate("dify", 3600)
    keys.refresh()
    assert [opens(keys, key) for key in (first, second, third)] == [False, True, True]


def test_the_hot_path_asks_no_database(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks are answered from memory, by a right key and by a wrong one."""
    key = keys.create("dify", "client")
    monkeypatch.setattr(keys.register.database, "reading", None)
    monkeypatch.setattr(keys.register.database, "writing", None)
    assert keys.check(key).name == "dify"
    assert not opens(keys, "fh_wrong")


def test_limits_that_change_are_those_of_the_key_that_is_out_there(keys: Keys) -> None:
    """As another object: by that, what counts the key's requests notices."""
    key = keys.create("dify", "client")
    before = keys.check(key)
    keys.register.limit("dify", {"parallel": 4})
    keys.refresh()
    after = keys.check(key)
    assert (before.limits.parallel, after.limits.parallel) == (None, 4)
    assert after is not before


def test_an_expired_key_stays_so_when_the_clock_is_set_back(keys: Keys, clock: Clock) -> None:
    """Until then it opens; who holds it is told why it does no more."""
    key = keys.register.create("brief", "client", expires_at=clock.now + 60)
    keys.refresh()
    assert opens(keys, key)
    clock.now += 60
    with pytest.raises(FreeholdError, match="key_expired"):
        keys.check(key)
    clock.now -= 3600
    with pytest.raises(FreeholdError, match="key_expired"):
        keys.check(key)


def test_a_key_before_another_ends_with_its_overlap(keys: Keys, clock: Clock) -> None:
    """The one in its place goes on."""
    first = keys.create("dify", "client")
    second = keys.register.rotate("dify", 60)
    keys.refresh()
    clock.now += 61
    assert [opens(keys, key) for key in (first, second)] == [False, True]


def test_a_key_in_use_before_it_is_known_locks_nobody_out(keys: Keys) -> None:
    """Its first requests come at once, and many: they are refused until it is known, and no longer."""
    key = keys.register.create("new", "client")
    for _ in range(ATTEMPTS):
        with pytest.raises(FreeholdError, match="key_wrong"):
            keys.check(key, "192.0.2.1")
    keys.refresh()
    assert keys.check(key, "192.0.2.1").name == "new"


def test_who_guesses_is_not_heard(keys: Keys) -> None:
    """And who is known from there goes on."""
    known, other = keys.create("known", "client"), keys.create("other", "client")
    keys.check(known, "192.0.2.1")
    for _ in range(ATTEMPTS):
        with pytest.raises(FreeholdError, match="key_wrong"):
            keys.check("fh_guess", "192.0.2.1")
    for key in ("fh_guess", other):
        with pytest.raises(FreeholdError, match="key_guessing"):
            keys.check(key, "192.0.2.1")
    assert keys.check(known, "192.0.2.1").name == "known"
    assert keys.check(other, "192.0.2.2").name == "other"


def test_known_keys_go_on_while_the_database_is_away(
    place: Place, followed: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and changes are noticed again when it is back."""
    key = followed.create("dify", "client")
    database = followed.register.database
    connect = database._connect

    def away() -> None:
        raise FreeholdError("database_gone", place="here", reason="away")

    with caplog.at_level(logging.WARNING):
        database._connect = away
        database.close()
        until(lambda: followed.trouble is not None)
        assert opens(followed, key)
        with place.open() as other:
            late = Register(other).create("late", "client")
        database._connect = connect
        until(lambda: opens(followed, late))
    until(lambda: followed.trouble is None)
    assert len([record for record in caplog.records if "not noticed now" in record.message]) == 1


def test_an_older_state_of_the_database_is_taken_whole(keys: Keys) -> None:
    """A backup was restored: keys that were made since are none."""
    old, new = keys.create("old", "client"), keys.create("new", "client")
    with keys.register.database.writing() as transaction:
        transaction.execute("DELETE FROM keys WHERE name = 'new'")
    keys.refresh()
    assert [opens(keys, key) for key in (old, new)] == [True, False]


def test_a_key_that_is_accepted_is_written_nowhere_and_outlives_changes(place: Place) -> None:
    """Another process that makes keys does not end it; a reopened database knows nothing of it."""
    keys, other = Keys.open(place.home, place.url), Keys.open(place.home, place.url)
    keys.accept("x" * 600)
    other.create("dify", "client")
    keys.refresh()
    assert keys.check("x" * 600).name == "internal"
    assert not opens(other, "x" * 600)
    keys.close()
    other.close()


def test_nothing_runs_on_after_close(followed: Keys) -> None:
    """No thread is left that asks a database."""
    followed.close()
    assert "keys" not in {thread.name for thread in threading.enumerate()}


def test_whether_there_are_keys_is_seen_without_making_any(tmp_path: Path) -> None:
    """Nor a folder."""
    assert not Keys.exist_in(tmp_path / "home")
    (tmp_path / "file").touch()
    assert not Keys.exist_in(tmp_path / "file")
    Keys.open(tmp_path / "home").close()
    assert Keys.exist_in(tmp_path / "home")


def test_many_keys_are_followed_change_by_change(database: Database) -> None:
    """Of thousands of keys one look reads those that changed."""
    many(database, MANY)
    keys = Keys(Register(database))
    key = keys.register.create("one-more", "client")
    read: list[int] = []
    changes = keys.register.changes
    keys.register.changes = lambda known: (found := changes(known), read.append(len(found[1])))[0]
    keys.refresh()
    keys.refresh()
    assert read == [1, 0]
    assert opens(keys, key)
    assert len(keys._keys) == MANY + 1


@pytest.mark.soak
def test_a_hundred_thousand_keys(database: Database) -> None:
    """They share what is equal: less than 100 MB in memory."""
    import tracemalloc

    many(database, 100_000)
    tracemalloc.start()
    keys = Keys(Register(database))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(keys._keys) == 100_000
    assert taken < 100 << 20


def many(database: Database, count: int) -> None:
    """So many keys, in one transaction."""
    Register(database)
    insert = "INSERT INTO keys (name, role, sha256, created_at, change) VALUES (?, 'client', ?, 1.0, ?)"
    with database.writing() as transaction:
        transaction.execute_many(insert, [(f"key-{n}", n.to_bytes(32, "big"), n + 1) for n in range(count)])


@given(st.text())
def test_whatever_is_presented_is_a_key_or_a_client_error(presented: str) -> None:
    """Also a text of a megabyte, or one that is not Unicode."""
    keys = Keys.in_memory()
    for text in (presented, presented * 1000, presented + "\ud800"):
        with pytest.raises(FreeholdError, match=r"key_wrong|key_missing"):
            keys.check(text)
    keys.close()
