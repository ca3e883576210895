"""`python -m bench.quotas`: what counting a request against its limits costs, in microseconds of processor time.

Every limit is set, for key and team: ten slices a request, of which no real installation has more. The exchanges with a
database on disk, in their thread, are part of the time. Of REPEATS runs the middle one is told.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

from freehold.access import Key, Limits
from freehold.access.database import Database
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules

REPEATS = 7
REQUESTS = 50_000
PLENTY = 10**12
ALL = Limits(PLENTY, PLENTY, PLENTY, PLENTY, PLENTY)
KEY = Key("one", "client", 0.0, b"1", team="search")


async def measure(rules: Rules, home: Path) -> dict[str, float]:
    """Microseconds of a request that is counted and settled, and of writing its headers."""
    quota = Quota(SharedLeases(lambda: Database.open(home), "bench"), rules)
    async with quota.running():
        allowance = await quota.enter(KEY, 20)
        allowance.settle(30)
        counted = [await _counted(quota) for _ in range(REPEATS)]
        written = [_timed(allowance.headers, REQUESTS // 10) for _ in range(REPEATS)]
    return {"enter_settle_us": round(median(counted), 2), "headers_us": round(median(written), 2)}


async def _counted(quota: Quota) -> float:
    began = process_time()
    for _ in range(REQUESTS):
        (await quota.enter(KEY, 20)).settle(30)
    return (process_time() - began) / REQUESTS * 1e6


def _timed(act: Callable[[], object], times: int) -> float:
    began = process_time()
    for _ in range(times):
        act()
    return (process_time() - began) / times * 1e6


def main() -> None:
    """Print one JSON object: without limits, with a key's three usual ones, with all ten."""
    usual = Limits(requests_per_minute=PLENTY, tokens_per_day=PLENTY, parallel=PLENTY)
    cases = {"none": Rules(), "three": Rules(usual), "ten": Rules(ALL, {"search": ALL})}
    found = {}
    for name, rules in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = asyncio.run(measure(rules, Path(folder)))
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
