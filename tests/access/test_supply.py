"""How a node's slices come and go: idle ones, those of a node that ends, and a database that is gone."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from freehold.access import slices as slices_module
from freehold.access import supply as supply_module
from freehold.access.allowance import Allowance
from freehold.access.database import Database
from freehold.access.quota import Rules
from freehold.config import Access, KeyLimits
from freehold.errors import FreeholdError
from tests.access.quota_node import ONE, at, day, node, outcome, told

pytestmark = pytest.mark.anyio


async def test_a_node_that_ends_gives_back_what_it_holds(tmp_path: Path) -> None:
    """The next one, or another, has all that was not used, at once."""
    for _ in range(2):
        async with node(Rules(day(requests=200, parallel=3)), at(tmp_path)) as quota:
            allowances = [await quota.enter(ONE) for _ in range(3)]
            for allowance in allowances:
                allowance.settle(0)
    async with node(Rules(day(requests=200)), at(tmp_path)) as quota:
        headers = (await quota.enter(ONE)).headers()
        assert told(headers, "x-ratelimit-remaining-requests") == "193"


async def test_what_a_node_does_not_use_another_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle slices and places are given back within a turn or two, while their node lives."""
    monkeypatch.setattr(supply_module, "TURN_S", 0.02)
    monkeypatch.setattr(slices_module, "RECHECK_S", 0.05)
    rules = Rules(day(requests=60, parallel=50))  # of both the idle one keeps one ready
    async with node(rules, at(tmp_path)) as idle, node(dataclasses.replace(rules), at(tmp_path)) as busy:
        (await idle.enter(ONE)).settle(0)
        under_way: list[Allowance] = []
        while len(under_way) < 50:
            with suppress(FreeholdError):
                under_way.append(await busy.enter(ONE))
            await asyncio.sleep(0)
        for allowance in under_way:
            allowance.settle(0)
        passed = 0
        while passed < 9:
            passed += await outcome(busy) == "ok"
            await asyncio.sleep(0)


async def test_without_its_database_a_node_goes_on_and_counts_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice `go_on`: nobody is refused, and what was used meanwhile is taken when the database is back."""
    monkeypatch.setattr(supply_module, "RECHECK_S", 0.05)
    home = tmp_path / "home"
    home.write_text("no folder")
    async with node(Rules.of(Access(limits=KeyLimits(requests_per_day=4))), at(home)) as quota:
        assert [await outcome(quota) for _ in range(5)] == ["ok"] * 5
        assert not quota.is_reachable
        home.unlink()
        await known(home, lambda taken: taken >= 4)
        assert await outcome(quota) == "quota_requests"
        assert quota.is_reachable


async def test_a_locked_database_is_waited_for_once_and_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request waits its patience; those after it go on at once, and all of them count when the lock is gone."""
    monkeypatch.setattr(supply_module, "PATIENCE_S", 0.1)
    async with node(Rules(day(requests=60)), at(tmp_path)) as quota:
        assert await outcome(quota) == "ok"
        with closing(Database.open(tmp_path)) as database, database.writing():
            assert [await outcome(quota) for _ in range(5)] == ["ok"] * 5
            assert not quota.is_reachable
        await known(tmp_path, lambda taken: taken >= 6)


async def test_without_its_database_a_node_refuses_where_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice `refuse`: 503 with Retry-After once the slice is used up, until the database is back."""
    monkeypatch.setattr(supply_module, "RECHECK_S", 0.05)
    home = tmp_path / "home"
    home.write_text("no folder")
    access = Access(limits=KeyLimits(requests_per_day=4), when_unreachable="refuse")
    async with node(Rules.of(access), at(home)) as quota:
        assert [await outcome(quota) for _ in range(3)] == ["quota_unreachable"] * 3
        home.unlink()
        while True:
            if (came := await outcome(quota)) != "quota_unreachable":
                break
            await asyncio.sleep(0.05)
        assert came == "ok"


async def test_what_a_long_answer_owes_is_told_although_its_node_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks this node for that key again: all others have to know, and in the window in which it was used."""
    monkeypatch.setattr(supply_module, "TURN_S", 0.02)
    async with node(Rules(day(tokens=100)), at(tmp_path)) as quota:
        allowance = await quota.enter(ONE, 1)
        await known(tmp_path, lambda taken: taken == 1)  # what is left was given back, and nothing is held
        await asyncio.sleep(0.1)
        allowance.settle(500)
        await known(tmp_path, lambda taken: taken == 500)


async def test_a_loop_that_stood_still_is_no_database_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer came while nobody looked, and counts."""
    monkeypatch.setattr(supply_module, "PATIENCE_S", 0.2)
    async with node(Rules(day(requests=9), when_unreachable="refuse"), at(tmp_path)) as quota:
        assert await outcome(quota) == "ok"
        other = asyncio.create_task(outcome(quota, dataclasses.replace(ONE, name="other", sha256=b"2")))
        for _ in range(5):  # until its exchange is under way
            await asyncio.sleep(0)
        time.sleep(0.25)  # noqa: ASYNC251 - the loop stands still
        assert await other == "ok"


async def known(home: Path, enough: Callable[[int], bool]) -> None:
    """Until `enough` holds of what all nodes have taken."""
    async with asyncio.timeout(30):
        while True:
            if enough(await asyncio.to_thread(taken_in, home)):
                return
            await asyncio.sleep(0.02)


def taken_in(home: Path) -> int:
    """What all nodes have taken of the only budget; 0 where there is none yet."""
    if not (home / "access.db").exists():
        return 0
    with closing(Database.open(home)) as database, database.reading() as transaction:
        tables = transaction.rows("SELECT 1 FROM sqlite_master WHERE name = 'quota_budgets'")
        return sum(row[0] for row in transaction.rows("SELECT taken FROM quota_budgets")) if tables else 0
