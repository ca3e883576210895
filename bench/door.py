"""What the door, limits, usage and audit add to a request, in microseconds of CPU.

The app is called as the listener calls it, without a socket and with an endpoint that does nothing, so that little else
is measured. CPU time is that of the thread that answers: what is written behind requests is on another one.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.results import Results, Sample
from bench.rows import Row, Workload
from bench.target import Measure, Target, ratio
from freehold.access import Database, Keys, Limits
from freehold.access.books import Books
from freehold.access.leases import SharedLeases
from freehold.access.quota import Quota, Rules
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.http import App, Call, Entrance, MemoryBudget, Response, Route
from freehold.http.bookkeeping import Bookkeeping
from freehold.telemetry import Telemetry

DOOR = "door"
REQUESTS = 8000  # with those of warming fewer than lines of the audit may wait
FEW, MANY_KEYS = 10, 100_000
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
    keys: int = FEW


OPEN, FULL, CROWDED = "open door", "keys, limits, usage", "keys, limits, usage; 100,000 keys"
WAYS = (
    Way(OPEN),
    Way("keys", with_keys=True),
    Way("keys, limits", with_keys=True, with_limits=True),
    Way("keys, usage", with_keys=True, with_usage=True),
    Way(FULL, with_keys=True, with_limits=True, with_usage=True),
    Way("keys, limits, usage, audit of inference", True, True, True, True),
    Way(CROWDED, with_keys=True, with_limits=True, with_usage=True, keys=MANY_KEYS),
)


class Place:
    """One app, and the request that it is asked again and again."""

    def __init__(self, way: Way, home: Path) -> None:
        self.way = way
        self._home = home
        self._keys = Keys.open(home) if way.with_keys else None
        presented = "" if self._keys is None else self._fill(self._keys, way.keys)
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
        """Seconds of CPU of so many requests."""
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
        return taken / 1e9


async def _answer(call: Call) -> Response:
    if call.visit is not None:
        call.visit.answered("bench", "sha256:0", 12)
    return Response(b"{}")


def measure(way: Way, requests: int, turn: int) -> list[Sample]:
    """One turn of a way, in a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(way, Path(folder))
        gc.disable()
        begun = time.perf_counter()
        spent = asyncio.run(_once(place, requests))
        seconds = time.perf_counter() - begun
        gc.enable()
        place.close()
    return [
        Sample(
            workload=DOOR,
            server=way.name,
            concurrency=1,
            round=turn,
            items=requests,
            seconds=seconds,
            cpu_seconds=spent,
        )
    ]


async def _once(place: Place, requests: int) -> float:
    async with place.open() as app:
        await place.measure(app, max(1, requests // 10))
        return await place.measure(app, requests)


def workloads(rounds: int) -> list[Workload]:
    """The one; its turns are short, and many of them tell a microsecond from noise."""
    rows = [Row(way.name, partial(measure, way, REQUESTS)) for way in WAYS]
    return [Workload(DOOR, "What keys, limits, usage and audit add to a request", 3 * rounds, rows)]


def _cpu(sample: Sample) -> float:
    return sample.cpu_per_item


def added(results: Results, name: str = FULL) -> float | None:
    """Microseconds that a way takes more than the open door."""
    own, bare = (results.median(DOOR, one, 1, _cpu) for one in (name, OPEN))
    return None if own is None or bare is None else (own - bare) * 1e6


_CROWD: Measure = ratio(DOOR, CROWDED, FULL, 1, _cpu)

TARGETS = (
    Target("Key, limits and usage of a request: CPU time added, us", added, most=20, digits=1),
    Target("The same with 100,000 keys: CPU time of a request, to that with ten", _CROWD, most=1.1),
)
