"""A front of a test: one process that counts requests of one key against a shared budget.

Reads commands of one byte: `1` is one request, `b` are BURST at once. Answers each with a byte for every request: `+`
it passed, `-` it was refused, `?` for another cause. What has passed is told at once, so that a kill loses no count.
"""

import asyncio
import os
import sys
from pathlib import Path

from freehold.access import Key, Limits, supply
from freehold.access.database import Database
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.errors import FreeholdError

BURST = 8
KEY = Key("one", "client", 0.0, b"1")


async def ask(quota: Quota) -> None:
    """One request, and what came of it."""
    try:
        with await quota.enter(KEY):
            os.write(1, b"+")
    except FreeholdError as error:
        os.write(1, b"-" if error.code == "quota_requests" else b"?")


async def serve(home: Path, url: str | None, limit: int) -> None:
    """Until its input ends."""
    leases = SharedLeases(lambda: Database.open(home, url), f"node-{os.getpid()}")
    quota = Quota(leases, Rules(Limits(requests_per_day=limit)))
    async with quota.running():
        while command := await asyncio.to_thread(os.read, 0, 1):
            await asyncio.gather(*(ask(quota) for _ in range(BURST if command == b"b" else 1)))


if __name__ == "__main__":
    supply.PATIENCE_S = 60.0  # a busy machine's database is slow, and not gone
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])))
