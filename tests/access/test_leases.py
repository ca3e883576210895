"""Leases in a real database: what several nodes, and several processes, take together."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from freehold.access import leases
from freehold.access.database import Database
from freehold.access.leases import LAPSE_S, Ask, Hold, SharedLeases
from freehold.access.slices import PARTS
from tests.access.conftest import Place

FRONT = Path(__file__).parent / "quota_front.py"
BURST = 8
Connect = Callable[[], Database]


@pytest.fixture
def connect(place: Place) -> Connect:
    """Opens the database that all nodes share."""
    return place.open


def ask(want: int, *, limit: int = 100, window: int = -1, debt: int = 0, back: int = 0) -> Ask:
    """One of the day's requests of a key: a test does not outlive its window."""
    return Ask("key:one", "requests/86400", 86400, limit, window, want, debt, back)


def test_nodes_together_take_no_more_than_there_is(connect: Connect) -> None:
    """Threads with a connection each, all at once: what they were given adds up to the limit."""
    start = threading.Barrier(4)

    def node(name: str) -> int:
        leases = SharedLeases(connect, name)
        start.wait()
        got = sum(leases.exchange([ask(7)], [])[0][0].granted for _ in range(5))
        leases.close()
        return got

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(node, "abcd")) == 100


def test_what_is_given_back_another_node_gets_and_a_debt_counts(connect: Connect) -> None:
    """An exchange gives, takes and settles in one transaction."""
    a, b = SharedLeases(connect, "a"), SharedLeases(connect, "b")
    (first,), _ = a.exchange([ask(100)], [])
    assert (first.granted, first.taken) == (100, 100)
    assert 0 < first.ends_in_s <= 86400
    assert b.exchange([ask(5)], [])[0][0].granted == 0
    a.exchange([ask(0, window=first.window, back=30)], [])
    assert b.exchange([ask(50)], [])[0][0].granted == 30
    (owed,), _ = a.exchange([ask(1, window=first.window, debt=12)], [])
    assert (owed.granted, owed.taken) == (0, 112)
    (yesterday,), _ = a.exchange([ask(0, window=first.window - 1, back=50)], [])
    assert yesterday.taken == 112, "what is left of another window is not given back to this one"
    a.close()
    b.close()


def test_places_lapse_with_a_node_that_does_not_renew_them(connect: Connect) -> None:
    """A killed node's places are free after its term, and a living node's are not."""
    a, b = SharedLeases(connect, "a"), SharedLeases(connect, "b")
    assert a.exchange([], [Hold("key:one", 4, 0, 0, 3)])[1][0].granted == 3
    assert b.exchange([], [Hold("key:one", 4, 0, 0, 3)])[1][0].granted == 1
    with closing(connect()) as database, database.writing() as transaction:
        transaction.execute("UPDATE quota_places SET until = until - 60 WHERE node = ?", ("a",))
    (place,) = b.exchange([], [Hold("key:one", 4, 1, 0, 3)])[1]
    assert (place.granted, place.taken) == (3, 4)
    a.close()
    b.close()


def test_a_clock_that_goes_back_keeps_no_places(connect: Connect) -> None:
    """A killed node's places are held for its term, and not until the clock has caught up."""
    a, b = SharedLeases(connect, "a"), SharedLeases(connect, "b")
    a.exchange([], [Hold("key:one", 4, 0, 0, 4)])
    with closing(connect()) as database:
        with database.writing() as transaction:
            transaction.execute("UPDATE quota_places SET until = until + 3600")
        assert b.exchange([], [Hold("key:one", 4, 0, 0, 1)])[1][0].granted == 0
        with database.reading() as transaction:
            ((until,),) = transaction.rows("SELECT until FROM quota_places WHERE node = 'a'")
            assert until <= transaction.now() + LAPSE_S
    a.close()
    b.close()


def test_an_exchange_may_be_of_any_size(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """More subjects than a statement takes: each gets its own answer."""
    monkeypatch.setattr(leases, "PORTION", 2)
    one = SharedLeases(connect, "a")
    asks = [replace(ask(number), subject=f"key:{number}") for number in range(1, 6)]
    holds = [Hold(f"key:{number}", 9, 0, 0, number) for number in range(1, 6)]
    for _ in range(2):
        grants, places = one.exchange(asks, holds)
        assert [grant.granted for grant in grants] == [place.granted for place in places] == [1, 2, 3, 4, 5]
    assert [grant.taken for grant in grants] == [2, 4, 6, 8, 10]
    one.close()


def test_a_lower_limit_takes_free_places_and_no_busy_ones(connect: Connect) -> None:
    """A request that is under way is never ended by its limit."""
    a = SharedLeases(connect, "a")
    a.exchange([], [Hold("key:one", 9, 0, 0, 9)])
    (place,) = a.exchange([], [Hold("key:one", 2, held=9, free=4, want=1)])[1]
    assert (place.granted, place.taken) == (-4, 5)
    a.close()


def test_without_a_first_exchange_nothing_is_opened(tmp_path: Path) -> None:
    """A server whose keys have no limits never touches the database of limits."""
    leases = SharedLeases(lambda: Database.open(tmp_path / "home"), "a")
    leases.close()
    assert not (tmp_path / "home").exists()


def test_three_processes_one_killed_pass_no_limit(place: Place) -> None:
    """One key on three fronts, one of them killed: no more than the limit passes, and no more is lost than it held."""
    limit, size = 120, 120 // PARTS
    day = datetime.now(UTC).date()
    words = [sys.executable, str(FRONT), str(place.home), place.url or "", str(limit)]
    fronts = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) for _ in range(3)]
    try:
        passed = sum(drive(front, command) for _ in range(3) for front in fronts for command in (b"1", b"b"))
        assert passed == 3 * 3 * (1 + BURST), "nobody is refused while there is something left"
        fronts[0].send_signal(signal.SIGKILL)
        fronts[0].wait()
        while more := sum(drive(front, command) for front in fronts[1:] for command in (b"b", b"1")):
            passed += more
        windows = 1 + (datetime.now(UTC).date() - day).days
        assert limit - (size + BURST) <= passed <= windows * limit
    finally:
        for front in fronts:
            assert front.stdin is not None
            assert front.stdout is not None
            front.stdin.close()
            front.wait()
            front.stdout.close()


def drive(front: "subprocess.Popen[bytes]", command: bytes) -> int:
    """How many requests of a command passed."""
    assert front.stdin is not None
    assert front.stdout is not None
    front.stdin.write(command)
    answer = b""
    while len(answer) < (BURST if command == b"b" else 1):
        piece = os.read(front.stdout.fileno(), BURST)
        assert piece, "the front has ended"
        assert b"?" not in piece, "only the limit refuses"
        answer += piece
    return answer.count(b"+")
