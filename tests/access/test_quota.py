"""Quotas as requests meet them: what passes, what is refused and told, and what a lost database changes."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from freehold.access import Key, Limits
from freehold.access import slices as slices_module
from freehold.access import supply as supply_module
from freehold.access.allowance import Headers, duration
from freehold.access.database import Database
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.access.register import INTERNAL
from freehold.config import Access, KeyLimits
from freehold.errors import FreeholdError

ONE = Key("one", "client", 0.0, b"1")

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def node(rules: Rules, connect: Callable[[], Database]) -> AsyncIterator[Quota]:
    """The quotas of a node, running."""
    quota = Quota(SharedLeases(connect, f"node-{id(rules)}"), rules)
    async with quota.running():
        yield quota


def at(home: Path) -> Callable[[], Database]:
    """Opens the file below `home`."""
    return lambda: Database.open(home)


def day(requests: int | None = None, tokens: int | None = None, parallel: int | None = None) -> Limits:
    """Limits of a day, in which a test finds no end of a window."""
    return Limits(requests_per_day=requests, tokens_per_day=tokens, parallel=parallel)


async def outcome(quota: Quota, key: Key = ONE, tokens: int = 0) -> str:
    """One request that ends at once, having used what was expected: `ok`, or the code of what kept it out."""
    try:
        (await quota.enter(key, tokens)).settle(tokens)
    except FreeholdError as error:
        return error.code
    return "ok"


def told(headers: Headers, name: str) -> str:
    """The value of a header."""
    return dict(headers)[name.encode()].decode()


async def test_a_burst_passes_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    """Requests that come at once wait for their slice together: a small limit is exact from the first moment."""
    async with node(Rules(day(requests=5)), at(tmp_path)) as quota:
        outcomes = await asyncio.gather(*(outcome(quota) for _ in range(9)))
        assert sorted(outcomes) == ["ok"] * 5 + ["quota_requests"] * 4


async def test_a_refusal_says_whose_limit_when_and_what_is_left(tmp_path: Path) -> None:
    """429 with code, cause, Retry-After, and the headers of an answer."""
    async with node(Rules(Limits(requests_per_day=1, tokens_per_minute=1000)), at(tmp_path)) as quota:
        await outcome(quota)
        with pytest.raises(FreeholdError) as caught:
            await quota.enter(ONE)
    error = caught.value
    assert error.code == "quota_requests"
    assert "Key one may make 1 requests a day" in error.cause
    assert error.in_language("zh")[0].startswith("密钥 one 每天最多 1 次请求")
    assert 1 <= int(str(error.details["retry_after_s"])) <= 86400
    headers = dict(error.details["headers"])  # type: ignore[call-overload]
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
    assert headers[b"x-ratelimit-limit-tokens"] == b"1000"


async def test_headers_are_those_of_openai_and_of_the_tightest_limit(tmp_path: Path) -> None:
    """Six headers, by the limit of which least is left: here the team's of a day."""
    rules = Rules(Limits(requests_per_minute=50, tokens_per_day=1000), {"search": day(requests=10)})
    async with node(rules, at(tmp_path)) as quota:
        allowance = await quota.enter(dataclasses.replace(ONE, team="search"), 40)
        allowance.settle(100)
        headers = allowance.headers()
    assert [told(headers, f"x-ratelimit-{what}-requests") for what in ("limit", "remaining")] == ["10", "9"]
    assert [told(headers, f"x-ratelimit-{what}-tokens") for what in ("limit", "remaining")] == ["1000", "900"]
    for unit in ("requests", "tokens"):
        assert re.fullmatch(r"(\d+h\d+m\d+s|\d+m\d+s|\d+s|\d+ms)", told(headers, f"x-ratelimit-reset-{unit}"))


async def test_a_key_without_limits_is_not_counted_and_told_nothing(tmp_path: Path) -> None:
    """No header, and no database."""
    async with node(Rules(), at(tmp_path / "home")) as quota:
        allowance = await quota.enter(ONE, 10)
        allowance.settle(10)
        assert allowance.headers() == ()
    assert not (tmp_path / "home").exists()


async def test_our_own_servers_are_not_counted_a_second_time(tmp_path: Path) -> None:
    """What a gateway passes on comes with the key of the configuration, and was counted there."""
    async with node(Rules(day(requests=1)), at(tmp_path)) as quota:
        assert [await outcome(quota, Key(INTERNAL, "client", 0.0, b"0")) for _ in range(3)] == ["ok"] * 3


async def test_keys_of_a_team_share_its_limit_and_teams_of_other_tenants_do_not(tmp_path: Path) -> None:
    """A team is one of its tenant: another tenant's of the same name has a budget of its own."""
    rules = Rules(teams={"search": day(requests=3)})
    keys = [dataclasses.replace(ONE, name=name, sha256=name.encode(), team="search") for name in "abc"]
    async with node(rules, at(tmp_path)) as quota:
        assert [await outcome(quota, key) for key in keys] == ["ok"] * 3
        assert await outcome(quota, keys[0]) == "quota_requests"
        assert await outcome(quota, dataclasses.replace(keys[0], sha256=b"x", tenant="other")) == "ok"


async def test_a_keys_own_limits_go_before_the_configurations(tmp_path: Path) -> None:
    """Field by field: what the key leaves open is as for every key."""
    async with node(Rules(day(requests=1, tokens=100)), at(tmp_path)) as quota:
        key = dataclasses.replace(ONE, limits=day(requests=4))
        assert [await outcome(quota, key, 30) for _ in range(4)] == ["ok", "ok", "ok", "quota_tokens"]


async def test_tokens_are_settled_by_what_was_used(tmp_path: Path) -> None:
    """An estimate that was too high is given back; what nobody settles used none."""
    async with node(Rules(day(tokens=100)), at(tmp_path)) as quota:
        for _ in range(2):
            (await quota.enter(ONE, 90)).settle(10)
        with await quota.enter(ONE, 80):
            assert await outcome(quota, tokens=1) == "quota_tokens"
        (await quota.enter(ONE, 80)).settle(80)
        assert await outcome(quota) == "quota_tokens"


async def test_an_answer_longer_than_expected_closes_the_window(tmp_path: Path) -> None:
    """What was used beyond the limit is owed: the other nodes hear of it, too."""
    rules = Rules(day(tokens=100))
    async with node(rules, at(tmp_path)) as quota, node(dataclasses.replace(rules), at(tmp_path)) as other:
        (await quota.enter(ONE, 1)).settle(500)
        assert await outcome(quota, tokens=1) == "quota_tokens"
        assert await outcome(other, tokens=1) == "quota_tokens"


async def test_an_estimate_beyond_the_limit_waits_for_a_whole_window_and_no_longer(tmp_path: Path) -> None:
    """A guess that is greater than the limit does not shut its request out for ever."""
    async with node(Rules(day(tokens=100)), at(tmp_path)) as quota:
        assert await outcome(quota, tokens=100_000) == "ok"


async def test_requests_under_way_are_bounded_and_their_places_come_back(tmp_path: Path) -> None:
    """A place is free the moment its request is settled, however it ended, and once only."""
    async with node(Rules(day(parallel=2)), at(tmp_path)) as quota:
        first, second = await quota.enter(ONE), await quota.enter(ONE)
        assert await outcome(quota) == "quota_parallel"
        first.settle(0)
        first.settle(0)
        third = await quota.enter(ONE)
        with pytest.raises(FreeholdError, match="2 requests under way"):
            await quota.enter(ONE)
        second.settle(0)
        third.settle(0)


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
    rules = Rules(day(requests=3, parallel=3))
    async with node(rules, at(tmp_path)) as idle, node(dataclasses.replace(rules), at(tmp_path)) as busy:
        (await idle.enter(ONE)).settle(0)
        passed = 0
        while passed < 2:
            passed += await outcome(busy) == "ok"
            await asyncio.sleep(0.02)


async def test_new_rules_count_on_from_what_was_used(tmp_path: Path) -> None:
    """A changed file changes limits, and gives nobody a new budget."""
    async with node(Rules(day(requests=2)), at(tmp_path)) as quota:
        assert [await outcome(quota) for _ in range(3)] == ["ok", "ok", "quota_requests"]
        quota.follow(Rules(day(requests=4)))
        assert [await outcome(quota) for _ in range(3)] == ["ok", "ok", "quota_requests"]
        quota.follow(Rules())
        assert await outcome(quota) == "ok"


async def test_without_its_database_a_node_goes_on_and_counts_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The choice `go_on`: nobody is refused, and what was used meanwhile is taken when the database is back."""
    monkeypatch.setattr(supply_module, "RECHECK_S", 0.05)
    home = tmp_path / "home"
    home.write_text("no folder")
    async with node(Rules.of(Access(limits=KeyLimits(requests_per_day=4))), at(home)) as quota:
        assert [await outcome(quota) for _ in range(5)] == ["ok"] * 5
        home.unlink()
        while True:
            if await asyncio.to_thread(taken_in, home) >= 4:
                break
            await asyncio.sleep(0.05)
        assert await outcome(quota) == "quota_requests"


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


def taken_in(home: Path) -> int:
    """What all nodes have taken of the only budget; 0 where there is none yet."""
    if not (home / "access.db").exists():
        return 0
    with closing(Database.open(home)) as database, database.reading() as transaction:
        tables = transaction.rows("SELECT 1 FROM sqlite_master WHERE name = 'quota_budgets'")
        return sum(row[0] for row in transaction.rows("SELECT taken FROM quota_budgets")) if tables else 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1.0, b"0ms"), (0.85, b"850ms"), (12.9, b"12s"), (360.0, b"6m0s"), (12340.5, b"3h25m40s")],
)
async def test_times_are_written_as_openai_writes_them(seconds: float, text: bytes) -> None:
    """The form that OpenAI's clients read: https://platform.openai.com/docs/guides/rate-limits."""
    assert duration(seconds) == text
