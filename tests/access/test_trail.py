"""The chain in its database: everything here runs on both."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from freehold.access import trail as trail_module
from freehold.access.act import Act
from freehold.access.database import Database, Transaction
from freehold.access.trail import DAY_S, PAGE, PRUNED, Kept, Query, Trail
from freehold.access.verdict import verify
from freehold.access.witness import Head, Witness
from freehold.errors import FreeholdError
from tests.access.conftest import Clock, Place

EVERY = Query(tenant=None)


WRITER = """
import sys
from pathlib import Path
from freehold.access.act import Act
from freehold.access.database import Database
from freehold.access.trail import Trail
from freehold.access.witness import Witness
home, url, count, who = sys.argv[1:]
database = Database.open(Path(home), url or None)
trail = Trail(database, who, Witness(Path(home)))
for _ in range(int(count)):
    trail.append([Act("keys.create", who)])
"""


def lines(trail: Trail, query: Query = EVERY) -> list[Kept]:
    return [kept for page in trail.pages(query) for kept in page]


def test_lines_follow_one_another(database: Database) -> None:
    """Numbers from 1 without gaps, several of one call in their order."""
    trail = Trail(database, "node-1")
    assert trail.head().number == 0
    trail.append([Act("keys.create", "alice"), Act("keys.revoke", "alice")])
    head = trail.append([Act("model.load", "bob", model="m")])
    found = lines(trail)
    assert [(kept.number, kept.what) for kept in found] == [(1, "keys.create"), (2, "keys.revoke"), (3, "model.load")]
    assert head == trail.head() == Head(3, found[-1].hash)
    assert found[2].document()["node"] == "node-1"


def _note_and_fail(trail: Trail, transaction: Transaction) -> None:
    trail.append_in(transaction, [Act("keys.create", "alice")])
    raise FreeholdError("key_name_taken", name="alice")


def test_an_act_and_what_it_changed_are_written_together(database: Database) -> None:
    """In one transaction: where the change fails, there is no line."""
    trail = Trail(database, "n")
    with pytest.raises(FreeholdError, match="key_name_taken"), database.writing() as transaction:
        _note_and_fail(trail, transaction)
    assert lines(trail) == []
    assert trail.append([Act("keys.create", "alice")]).number == 1


def test_a_search_meets_all_that_is_asked(database: Database, clock: Clock) -> None:
    """Time, who, what or all of a noun, model and tenant; a wildcard of SQL is a letter like others."""
    trail = Trail(database, "n", clock=clock)
    for number, (what, who, tenant, model) in enumerate(
        [
            ("keys.create", "alice", "one", ""),
            ("keys.revoke", "bob", "two", ""),
            ("keysmith", "alice", "one", ""),
            ("inference", "alice", "one", "m"),
        ]
    ):
        clock.now = 1000.0 + number
        trail.append([Act(what, who, tenant=tenant, model=model)])

    def numbers(query: Query) -> list[int]:
        return [kept.number for kept in lines(trail, query)]

    assert numbers(Query(None, what="keys")) == [1, 2]
    assert numbers(Query(None, what="keys.revoke")) == [2]
    assert numbers(Query(None, what="k%")) == numbers(Query(None, what="_eys")) == numbers(Query(None, what="!")) == []
    assert numbers(Query("one")) == [1, 3, 4]
    assert numbers(Query("two", who="alice")) == []
    assert numbers(Query(None, model="m")) == [4]
    assert numbers(Query(None, since=1001.0, until=1003.0)) == [2, 3]
    assert [kept.number for page in trail.pages(Query("one"), "newest") for kept in page] == [4, 3, 1]


def test_pages_leave_nothing_out(database: Database) -> None:
    """Both ways, over more lines than a page has."""
    trail = Trail(database, "n")
    count = 2 * PAGE + 3
    trail.append([Act("inference", "k")] * count)
    assert [len(page) for page in trail.pages(EVERY)] == [PAGE, PAGE, 3]
    assert [kept.number for kept in lines(trail)] == list(range(1, count + 1))
    assert [kept.number for page in trail.pages(EVERY, "newest") for kept in page] == list(range(count, 0, -1))


def test_lines_are_read_while_others_are_written(place: Place, database: Database) -> None:
    """As an export does: no writer waits for it, and it goes on to what came meanwhile, whole and in order."""
    trail, other = Trail(database, "n"), place.open()
    trail.append([Act("inference", "k")] * PAGE)
    found: list[Kept] = []
    for page in trail.pages(EVERY):
        found += page
        if len(found) == PAGE:
            Trail(other, "m").append([Act("keys.create", "alice")] * 3)
    other.close()
    assert [kept.number for kept in found] == list(range(1, PAGE + 4))
    assert found[-1].hash == trail.head().hash


def test_threads_keep_one_chain(database: Database) -> None:
    """Whoever writes, each line follows the one before it."""
    trail = Trail(database, "n")
    threads = [
        threading.Thread(target=lambda who=who: [trail.append([Act("keys.create", who)]) for _ in range(5)])
        for who in "abcdefgh"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (verify(trail).whole, verify(trail).lines) == (True, 40)


def _crowd(place: Place, writers: int, each: int) -> None:
    words = [str(place.home), place.url or "", str(each)]
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, *words, f"w{number}"]) for number in range(writers)]
    assert [process.wait() for process in processes] == [0] * writers
    database = place.open()
    verdict = verify(Trail(database, "n", Witness(place.home)))
    assert (verdict.whole, verdict.lines) == (True, writers * each)
    database.close()


def test_processes_keep_one_chain(place: Place) -> None:
    """They exclude one another in the database, and the head beside it is of the last one's or a little older."""
    _crowd(place, 2, 20)


@pytest.mark.soak
def test_many_processes_keep_one_chain(place: Place) -> None:
    """64 writers at once lose nothing."""
    _crowd(place, 64, 50)


def test_what_is_old_goes_and_the_chain_says_so(database: Database, clock: Clock) -> None:
    """The first line that is left follows the last that went, by the word of a line that is in the chain itself."""
    trail = Trail(database, "n", clock=clock)
    trail.append([Act("keys.create", "alice")] * 3)
    clock.now += 100 * DAY_S
    trail.append([Act("keys.revoke", "alice")])
    assert trail.prune(180) == 0
    clock.now += 100 * DAY_S
    assert trail.prune(180) == 3
    assert [(kept.number, kept.what) for kept in lines(trail)] == [(4, "keys.revoke"), (5, PRUNED)]
    assert lines(trail)[-1].document()["details"]["through"] == 3
    clock.now += 1000 * DAY_S
    assert trail.prune(180) == 2
    assert [kept.what for kept in lines(trail)] == [PRUNED]
    assert verify(trail).whole


def test_what_is_old_goes_some_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock
) -> None:
    """Writers come in between; each time the chain says so, and the head beside it goes along."""
    monkeypatch.setattr(trail_module, "DROPPED", 2)
    trail = Trail(database, "n", Witness(tmp_path), clock)
    trail.append([Act("keys.create", "alice")] * 5)
    clock.now += 200 * DAY_S
    assert trail.prune(180) == 5
    assert [kept.document()["details"]["through"] for kept in lines(trail)] == [2, 4, 5]
    assert verify(trail).whole
    assert trail.witness is not None
    assert trail.witness.last() == trail.head()


def test_a_line_of_the_future_holds_back_nothing(database: Database, clock: Clock) -> None:
    """A clock that was ahead for a while does not keep old lines for ever."""
    trail = Trail(database, "n", clock=clock)
    trail.append([Act("a", "x")])
    clock.now += 10_000 * DAY_S
    trail.append([Act("b", "x")])
    clock.now -= 9_700 * DAY_S
    trail.append([Act("c", "x")])
    assert trail.prune(180) == 2
    assert [kept.what for kept in lines(trail)] == ["c", PRUNED]


def test_a_clock_that_goes_back_is_no_fault(database: Database, clock: Clock) -> None:
    """Numbers keep the order; how often it went back is told."""
    trail = Trail(database, "n", clock=clock)
    trail.append([Act("a", "x")])
    clock.now -= 3600
    trail.append([Act("b", "x")])
    verdict = verify(trail)
    assert (verdict.whole, verdict.clock_back) == (True, 1)


def test_a_chain_without_its_head_takes_no_more_lines(database: Database) -> None:
    """A new line could only begin a second chain."""
    trail = Trail(database, "n")
    trail.append([Act("a", "x")])
    with database.writing() as transaction:
        transaction.execute("DELETE FROM audit_head")
    with pytest.raises(FreeholdError, match="audit_headless"):
        trail.append([Act("b", "x")])
    assert trail.head() == Head(-1, "")


def test_a_head_that_cannot_be_kept_beside_is_logged(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The line stands all the same."""
    trail = Trail(database, "n", Witness(tmp_path / "gone"))
    assert trail.append([Act("a", "x")]).number == 1
    assert "the audit has come to 1:" in caplog.text
