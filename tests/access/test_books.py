"""Audit and usage with the thread that writes them behind the requests."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from freehold.access import books as books_module
from freehold.access.act import Act
from freehold.access.books import Books
from freehold.access.database import Database
from freehold.access.trail import Query, Trail
from freehold.access.turned_away import Refused
from freehold.access.usage import report
from freehold.access.verdict import verify
from freehold.access.witness import Witness
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.telemetry import Telemetry

PATIENCE_S = 30.0  # only a broken test waits this long

SERVER = """
import sys, time
from pathlib import Path
from freehold.access.act import Act
from freehold.access.books import Books
from freehold.access.database import Database
from freehold.config import Access
from freehold.telemetry import Telemetry
home = Path(sys.argv[1])
books = Books(Database.open(home), "n", Telemetry(process=False), Access(), home)
books.start()
for _ in range(1000):
    books.usage.count(None, "m", 1, 1, 200)
    books.audit.note(Act("inference", "k"))
books.audit.write(Act("keys.create", "alice"))
print("ready", flush=True)
time.sleep(60)
"""


def test_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    """And the connection is closed; the head is beside the database."""
    books = Books(Database.open(tmp_path), "n", Telemetry(process=False), Access(), tmp_path)
    books.start()
    books.usage.count(None, "m", 1, 1, 200)
    books.audit.note(Act("inference", "k"))
    books.audit.refused(Refused("login", "192.0.2.1", "key_wrong"))
    books.close()
    database = Database.open(tmp_path)
    verdict = verify(Trail(database, "n", Witness(tmp_path)))
    assert (verdict.whole, verdict.lines) == (True, 2)
    assert Witness(tmp_path).last() == verdict.head
    assert report(database, ["model"], tenant=None)[0].requests == 1
    database.close()


def test_books_that_were_never_opened_close(tmp_path: Path) -> None:
    """A server that fails before its first request."""
    Books(Database.open(tmp_path), "n", Telemetry(process=False), Access()).close()


def test_a_killed_process_loses_no_administrative_act(tmp_path: Path) -> None:
    """And of all else what came in the last half second: what was written stays, the chain is whole."""
    database = Database.open(tmp_path)
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    limit = time.monotonic() + PATIENCE_S
    trail = Trail(database, "n", Witness(tmp_path))
    while not report(database, ["model"], tenant=None) or trail.head().number < 1001:
        assert time.monotonic() < limit
        time.sleep(0.05)
    server.kill()
    server.wait()
    server.stdout.close()
    assert report(database, ["model"], tenant=None)[0].requests == 1000
    verdict = verify(trail)
    assert (verdict.whole, verdict.lines) == (True, 1001)
    assert [kept.who for page in trail.pages(Query(None, what="keys")) for kept in page] == ["alice"]
    database.close()


def test_whatever_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also what nobody foresaw: a table that somebody took away, and brings back."""
    monkeypatch.setattr(books_module, "PERIOD_S", 0.01)
    books = Books(Database.open(tmp_path), "n", Telemetry(process=False), Access())
    other = Database.open(tmp_path)
    with other.writing() as transaction:
        transaction.execute("ALTER TABLE usage RENAME TO taken")
    books.usage.count(None, "m", 1, 1, 200)
    books.start()
    limit = time.monotonic() + PATIENCE_S
    while "no such table" not in caplog.text:
        assert time.monotonic() < limit
        time.sleep(0.01)
    with other.writing() as transaction:
        transaction.execute("ALTER TABLE taken RENAME TO usage")
    while not report(other, ["model"], tenant=None):
        assert time.monotonic() < limit
        time.sleep(0.01)
    books.close()
    assert caplog.text.count("were not written") == 1
    other.close()


def test_what_is_old_is_dropped_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after the start, and every hour."""
    monkeypatch.setattr(books_module, "PERIOD_S", 0.01)
    old = Database.open(tmp_path)
    Trail(old, "n", clock=lambda: 1_000_000_000.0).append([Act("keys.create", "alice")])
    access = Access(audit=Auditing(keep_days=1))
    books = Books(Database.open(tmp_path), "n", Telemetry(process=False), access)
    books.start()
    limit = time.monotonic() + PATIENCE_S
    while books.audit.trail.head().number < 2:
        assert time.monotonic() < limit
        time.sleep(0.01)
    books.close()
    verdict = verify(Trail(old, "n"))
    assert (verdict.whole, verdict.first) == (True, 2)
    old.close()
