"""What keys used of models."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.access import usage as usage_module
from freehold.access.database import Database
from freehold.access.key import Key
from freehold.access.usage import By, Usage, Used, report
from freehold.telemetry import Telemetry
from tests.access.conftest import Place
from tests.access.full_disk import full
from tests.access.severed import way_to
from tests.postgres import Server

NOON = 1_795_435_200.0  # 2026-11-23T12:00Z


def key(name: str, tenant: str = "default", team: str = "") -> Key:
    return Key(name, "client", 0.0, name.encode(), tenant=tenant, team=team)


def total(database: Database) -> Used:
    """All of it."""
    rows = report(database, ["day"], tenant=None)
    return Used(("",), *(sum(getattr(row, name) for row in rows) for name in Used.__slots__[1:]))


def test_requests_are_summed_by_what_is_asked_for(database: Database) -> None:
    """By key, team, tenant, model, day, and several of them; errors are those from 400 on and what was cut short."""
    now = [NOON]
    usage = Usage(database, Telemetry(process=False), lambda: now[0])
    usage.count(key("a", team="x"), "m", 10, 1, 200)
    usage.count(key("b", team="x"), "m", 20, 2, 429)
    usage.count(key("b", team="x"), "n", 30, 3, 0)
    usage.flush()
    now[0] += 86400
    usage.count(key("b", team="x"), "n", 40, 4, 200)
    usage.count(key("c", "acme", "x"), "n", 50, 5, 200)
    usage.count(None, "n", 60, 6, 200)
    usage.flush()

    def by(*kinds: By) -> list[Used]:
        return report(database, kinds, tenant="default")

    assert by("model") == [Used(("m",), 2, 1, 30, 3), Used(("n",), 3, 1, 130, 13)]
    assert by("key", "day") == [
        Used(("", "2026-11-24"), 1, 0, 60, 6),
        Used(("a", "2026-11-23"), 1, 0, 10, 1),
        Used(("b", "2026-11-23"), 2, 2, 50, 5),
        Used(("b", "2026-11-24"), 1, 0, 40, 4),
    ]
    assert report(database, ["tenant"], tenant=None) == [
        Used(("acme",), 1, 0, 50, 5),
        Used(("default",), 5, 2, 160, 16),
    ]
    assert report(database, ["team"], tenant="acme") == [Used(("x",), 1, 0, 50, 5)]
    assert report(database, ["day"], tenant="acme", until="2026-11-23") == []
    assert report(database, ["day"], tenant=None, since="2026-11-24")[0].group == ("2026-11-24",)


def test_counting_goes_on_while_it_is_written(database: Database) -> None:
    """Nothing is lost between a thread that counts and one that writes, without a lock between them."""
    usage = Usage(database, Telemetry(process=False))
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            usage.flush()

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(20_000):
        usage.count(key(f"k{number % 7}"), "m", 1, 2, 200)
    done.set()
    writer.join()
    usage.flush()
    assert total(database) == Used(("",), 20_000, 0, 20_000, 40_000)


def test_two_processes_add_to_one_sum(database: Database, place: Place) -> None:
    """As several fronts do."""
    other = place.open()
    for usage in (Usage(database, Telemetry(process=False)), Usage(other, Telemetry(process=False))):
        usage.count(key("a"), "m", 1, 1, 200)
        usage.flush()
        usage.flush()
    other.close()
    assert total(database) == Used(("",), 2, 0, 2, 2)


def test_a_full_disk_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written is written later; the log says so once."""
    database = Database.open(tmp_path)
    usage = Usage(database, Telemetry(process=False))
    with full(database):
        for number in range(3000):
            usage.count(key(f"{'k' * 100}{number}"), "m", 1, 1, 200)
        usage.flush()
        usage.flush()
        assert total(database).requests == 0
    usage.count(key("a"), "m", 1, 1, 200)
    usage.flush()
    assert total(database).requests == 3001
    assert caplog.text.count("usage cannot be written") == 1
    database.close()


def test_what_was_committed_unheard_is_not_counted_twice(
    schema_of: Callable[[], str], postgres: Server, tmp_path: Path
) -> None:
    """The connection broke when the batch was there and its commit not yet answered; what came meanwhile is added."""
    with way_to(postgres.port) as way:
        url = schema_of().replace(f":{postgres.port}/", f":{way.port}/") + "&sslmode=disable"
        with Database.open(tmp_path, url) as database:
            usage = Usage(database, Telemetry(process=False))
            usage.count(key("a"), "m", 1, 2, 200)
            usage.flush()
            usage.count(key("a"), "m", 1, 2, 200)
            way.breaks = True
            usage.flush()
            assert not way.breaks
            usage.count(key("a"), "m", 1, 2, 200)
            usage.flush()
            assert total(database) == Used(("",), 3, 0, 3, 6)


def test_memory_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written makes room; while nothing can be written, the rest is summed under one name."""
    monkeypatch.setattr(usage_module, "MOST", 4)
    usage = Usage(database, Telemetry(process=False))
    for number in range(6):
        usage.count(key(f"k{number}"), "m", 1, 1, 200)
    usage.flush()
    assert {row.group[0] for row in report(database, ["key"], tenant=None)} == {"_other", "k0", "k1", "k2", "k3"}
    for number in range(6, 9):
        usage.count(key(f"k{number}"), "m", 1, 1, 200)
        usage.flush()
    assert total(database).requests == 9
    assert Used(("_other",), 2, 0, 2, 2) in report(database, ["key"], tenant=None)


def test_metrics_name_a_bounded_number_of_keys(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are one."""
    monkeypatch.setattr(usage_module, "LABELLED", 2)
    telemetry = Telemetry(process=False)
    usage = Usage(database, telemetry)
    for number in range(5):
        usage.count(key(f"k{number}", "acme"), "m", 10, 1, 200 if number else 500)
    usage.flush()
    text = telemetry.exposition()[0].decode()
    assert 'freehold_usage_requests_total{key="k0",outcome="failed",tenant="acme"} 1.0' in text
    assert 'freehold_usage_requests_total{key="_other",outcome="answered",tenant="_other"} 3.0' in text
    assert 'freehold_usage_tokens_total{direction="in",key="_other",tenant="_other"} 30.0' in text
    assert 'key="k2"' not in text


def test_old_days_go(database: Database) -> None:
    """Whole days, by the day in UTC."""
    now = [NOON]
    usage = Usage(database, Telemetry(process=False), lambda: now[0])
    for _ in range(3):
        usage.count(key("a"), "m", 1, 1, 200)
        usage.flush()
        now[0] += 86400
    assert usage.prune(2) == 1
    assert [row.group for row in report(database, ["day"], tenant=None)] == [("2026-11-24",), ("2026-11-25",)]
