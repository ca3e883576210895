"""`python -m bench.door`: what the door, limits, usage and audit add to a request, in microseconds of CPU.

The app is called as the listener calls it, without a socket and with an endpoint that does nothing, so that little else
is measured. All ways take turns, round by round; a way's cost is its median less that of the open door.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from freehold.access import Database, Keys, Limits
from freehold.access.books import Books
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.http import App, Call, Entrance, MemoryBudget, Response, Route
from freehold.http.bookkeeping import Bookkeeping
from freehold.telemetry import Telemetry

TARGET_US = 20.0
PATH = "/v1/embeddings"
MANY = 10**9
GENEROUS = Limits(MANY, MANY, MANY, MANY, MANY)
"""Every limit there is, none of them near."""


@dataclass(frozen=True)
class Way:
    """How requests come in."""

    name: str
    with_keys: bool = False
    with_limits: bool = False
    with_usage: bool = False
    with_audit: bool = False


WAYS = (
    Way("open door"),
    Way("keys", with_keys=True),
    Way("keys, limits", with_keys=True, with_limits=True),
    Way("keys, usage", with_keys=True, with_usage=True),
    Way("keys, limits, usage", with_keys=True, with_limits=True, with_usage=True),
    Way("keys, limits, usage, audit of inference", True, True, True, True),
)


class Place:
    """One app, and the request that it is asked again and again."""

    def __init__(self, way: Way, home: Path, keys: int) -> None:
        self.way = way
        self._home = home
        self._keys = Keys.open(home) if way.with_keys else None
        presented = "" if self._keys is None else self._fill(self._keys, keys)
        self._scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "headers": [
                (b"host", b"bench"),
                (b"content-length", b"64"),
                (b"authorization", b"Bearer " + presented.encode()),
            ],
        }

    @staticmethod
    def _fill(keys: Keys, count: int) -> str:
        """So many keys, written at once; the last of them is used."""
        rows = [(f"other-{number}", number.to_bytes(32, "big"), number + 1) for number in range(count - 1)]
        insert = "INSERT INTO keys (name, role, sha256, created_at, change) VALUES (?, 'client', ?, 1.0, ?)"
        with keys.register.database.writing() as transaction:
            transaction.execute_many(insert, rows)
        return keys.create("bench", "client")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[App]:
        """The app while it is measured."""
        telemetry, memory = Telemetry(process=False), MemoryBudget(1 << 30)
        access = Access(audit=Auditing(inference=self.way.with_audit))
        books = Books(Database.open(self._home), "bench", telemetry, access)
        quota = Quota(SharedLeases(lambda: Database.open(self._home), "bench"), Rules(GENEROUS))
        ledger = Bookkeeping(books.usage, books.audit) if self.way.with_usage else None
        entrance = None
        if self._keys is not None:
            entrance = Entrance(self._keys, quota=quota if self.way.with_limits else None, ledger=ledger)
        routes = [Route("POST", PATH, _answer, "openai", "infer")]
        books.start()
        async with quota.running():
            yield App(routes, telemetry=telemetry, memory=memory, entrance=entrance)
        await asyncio.to_thread(books.close)

    def close(self) -> None:
        """Give the keys back."""
        if self._keys is not None:
            self._keys.close()

    async def measure(self, app: App, requests: int) -> float:
        """Microseconds of CPU a request, of this thread: what is written behind requests is on another one."""
        statuses: set[int] = set()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.add(message["status"])

        begun = time.thread_time_ns()
        for _ in range(requests):
            await app(dict(self._scope), receive, send)
        taken = time.thread_time_ns() - begun
        if statuses != {200}:
            raise RuntimeError(f"{self.way.name}: answered {sorted(statuses)}")
        return taken / 1000 / requests


async def _answer(call: Call) -> Response:
    if call.visit is not None:
        call.visit.answered("bench", "sha256:0", 12)
    return Response(b"{}")


async def run(requests: int, rounds: int, keys: int, folder: Path) -> dict[str, float]:
    """The median of each way, in microseconds, by its name."""
    seen: dict[str, list[float]] = {way.name: [] for way in WAYS}
    places = [Place(way, folder / str(number), keys) for number, way in enumerate(WAYS)]
    gc.disable()
    for _ in range(rounds):
        for place in places:
            seen[place.way.name] += [await _once(place, requests)]
            gc.collect()
    gc.enable()
    for place in places:
        place.close()
    return {name: median(values) for name, values in seen.items()}


async def _once(place: Place, requests: int) -> float:
    async with place.open() as app:
        await place.measure(app, max(1, requests // 10))
        return await place.measure(app, requests)


def main() -> int:
    """Measure and print; 1 where the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.door", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="requests a round and way")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keys", type=int, default=10, help="how many keys there are")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(given.requests, given.rounds, given.keys, Path(folder)))
    base = found[WAYS[0].name]
    print(f"| requests come by | us | more than {WAYS[0].name} |\n|---|---|---|")
    for name, microseconds in found.items():
        print(f"| {name} | {microseconds:.1f} | {microseconds - base:.1f} |")
    worst = found["keys, limits, usage"] - base
    print(f"\nkeys, limits and usage: {worst:.1f} us a request, target {TARGET_US:g}")
    return 0 if worst < TARGET_US else 1


if __name__ == "__main__":
    raise SystemExit(main())
