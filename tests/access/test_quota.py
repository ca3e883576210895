"""Quotas as requests meet them: what passes, what is refused and told, and what a lost database changes."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from freehold.access import Key, Limits
from freehold.access import quota as quota_module
from freehold.access.quota import Rules
from freehold.access.register import INTERNAL
from freehold.config.quotas import MOST
from freehold.errors import FreeholdError
from tests.access.quota_node import ONE, at, day, node, outcome

pytestmark = pytest.mark.anyio


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
    assert error.cause == "The key one has used up its `requests_per_day: 1`."
    assert error.in_language("zh")[0] == "key one 的限额 `requests_per_day: 1` 已用完。"
    assert 1 <= int(str(error.details["retry_after_s"])) <= 86400
    headers = dict(error.details["headers"])  # type: ignore[call-overload]  # details are objects
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
    assert headers[b"x-ratelimit-limit-tokens"] == b"1000"


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
        with pytest.raises(FreeholdError, match="`parallel: 2` allows"):
            await quota.enter(ONE)
        second.settle(0)
        third.settle(0)


async def test_a_small_limit_is_used_up_on_whichever_nodes(tmp_path: Path) -> None:
    """Of few requests, and of few places, no node takes one that it has no request for."""
    rules = [Rules(day(requests=3, parallel=3)) for _ in range(3)]
    async with node(rules[0], at(tmp_path)) as a, node(rules[1], at(tmp_path)) as b, node(rules[2], at(tmp_path)) as c:
        under_way = [await one.enter(ONE) for one in (a, b, c)]
        assert [await outcome(one) for one in (a, b, c)] == ["quota_requests"] * 3
        for allowance in under_way:
            allowance.settle(0)


async def test_new_rules_count_on_from_what_was_used(tmp_path: Path) -> None:
    """A changed file changes limits, and gives nobody a new budget."""
    async with node(Rules(day(requests=2)), at(tmp_path)) as quota:
        assert [await outcome(quota) for _ in range(3)] == ["ok", "ok", "quota_requests"]
        quota.follow(Rules(day(requests=4)))
        assert [await outcome(quota) for _ in range(3)] == ["ok", "ok", "quota_requests"]
        quota.follow(Rules())
        assert await outcome(quota) == "ok"


async def test_a_keys_changed_limits_count_on_from_what_was_used(tmp_path: Path) -> None:
    """`freehold keys limit`: a greater limit lets more requests through, a smaller one is passed already."""
    async with node(Rules(), at(tmp_path)) as quota:
        outcomes = []
        for limit in (1, 3, 2):
            key = dataclasses.replace(ONE, limits=day(requests=limit))
            outcomes.append([await outcome(quota, key) for _ in range(3)])
        assert outcomes == [
            ["ok", "quota_requests", "quota_requests"],
            ["ok", "ok", "quota_requests"],
            ["quota_requests"] * 3,
        ]


async def test_who_has_used_nothing_for_long_is_forgotten_and_what_is_held_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request under way keeps its place for the next one of its key to see."""
    monkeypatch.setattr(quota_module, "FORGET_S", 0.0)
    async with node(Rules(day(requests=50, parallel=1)), at(tmp_path)) as quota:
        with await quota.enter(ONE):
            for name in "abc":
                assert await outcome(quota, Key(name, "client", 0.0, name.encode())) == "ok"
            assert ONE.sha256 not in quota._accounts
            assert await outcome(quota) == "quota_parallel"
        assert await outcome(quota) == "ok"


async def test_no_request_pays_for_many_keys_that_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that comes has two others looked at, however many there are."""
    keys = [Key(f"k{number}", "client", 0.0, number.to_bytes(4)) for number in range(1000)]
    async with node(Rules(), at(tmp_path)) as quota:
        for key in keys:
            await quota.enter(key)
        assert len(quota._accounts) == 1000, "all were used just now"
        monkeypatch.setattr(quota_module, "FORGET_S", 0.0)
        assert await outcome(quota) == "ok"
        assert len(quota._accounts) == 999


async def test_a_request_that_is_given_up_while_it_waits_has_taken_nothing(tmp_path: Path) -> None:
    """Its client left before its slice came."""
    async with node(Rules(day(requests=1, parallel=1)), at(tmp_path)) as quota:
        waiting = asyncio.create_task(outcome(quota))
        await asyncio.sleep(0)
        waiting.cancel()
        assert await outcome(quota) == "ok"


async def test_the_greatest_limits_fit_the_database(tmp_path: Path) -> None:
    """Also beside an answer that no model gives."""
    async with node(Rules(day(MOST, MOST, MOST)), at(tmp_path)) as quota:
        (await quota.enter(ONE, 2**40)).settle(2 * MOST)
        assert await outcome(quota, tokens=1) == "quota_tokens"
        assert quota.is_reachable
