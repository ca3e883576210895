"""What a request took of the limits: settled by what it used, and told as OpenAI tells it."""

import dataclasses
import re
from pathlib import Path

import pytest

from freehold.access import Limits
from freehold.access.allowance import duration
from freehold.access.quota import Rules
from tests.access.quota_node import ONE, at, day, node, outcome, told

pytestmark = pytest.mark.anyio


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


async def test_tokens_are_settled_by_what_was_used(tmp_path: Path) -> None:
    """An estimate that was too high is given back; what nobody settles used none."""
    async with node(Rules(day(tokens=100)), at(tmp_path)) as quota:
        for _ in range(2):
            (await quota.enter(ONE, 90)).settle(10)
        with await quota.enter(ONE, 80):
            assert await outcome(quota, tokens=1) == "quota_tokens"
        (await quota.enter(ONE, 80)).settle(80)
        assert await outcome(quota) == "quota_tokens"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1.0, b"0ms"), (0.85, b"850ms"), (0.9995, b"1s"), (12.1, b"13s"), (360.0, b"6m0s"), (12339.5, b"3h25m40s")],
)
async def test_times_are_written_as_openai_writes_them(seconds: float, text: bytes) -> None:
    """Rounded up, in the form that OpenAI's clients read: https://platform.openai.com/docs/guides/rate-limits."""
    assert duration(seconds) == text
