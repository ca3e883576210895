"""Usage: what each key used of each model, counted beside the requests and written behind them.

Counting adds to plain numbers that only ever grow. A thread looks at them every `PERIOD_S` (in `books`) and writes what
came since it looked last, so that nothing is counted under a lock and nothing is lost between both. A kill -9 loses
what came since the last writing; while the database cannot be written, that is what came since then.

What is written at once is a batch, and the database keeps the number of each process's last one: where a connection is
lost while it commits, the same batch is written again, unless that number says that it is there.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal, NamedTuple

from freehold.access.database import Database, Value
from freehold.access.key import DEFAULT_TENANT, Key
from freehold.errors import FreeholdError
from freehold.telemetry import Telemetry, names

AREA = "usage"
STEPS = (
    (
        "CREATE TABLE usage (day TEXT NOT NULL, tenant TEXT NOT NULL, team TEXT NOT NULL, key TEXT NOT NULL,"
        " model TEXT NOT NULL, requests BIGINT NOT NULL, errors BIGINT NOT NULL, tokens_in BIGINT NOT NULL,"
        " tokens_out BIGINT NOT NULL, PRIMARY KEY (day, tenant, team, key, model))",
    ),
    ("CREATE TABLE usage_batches (process TEXT PRIMARY KEY, day TEXT NOT NULL, number BIGINT NOT NULL)",),
)
ADD = (
    "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, tenant, team, key, model) DO UPDATE SET"
    " requests = usage.requests + excluded.requests, errors = usage.errors + excluded.errors,"
    " tokens_in = usage.tokens_in + excluded.tokens_in, tokens_out = usage.tokens_out + excluded.tokens_out"
)
WRITTEN = "SELECT 1 FROM usage_batches WHERE process = ? AND number >= ?"
WROTE = (
    "INSERT INTO usage_batches VALUES (?, ?, ?)"
    " ON CONFLICT (process) DO UPDATE SET day = excluded.day, number = excluded.number"
)
MOST = 50_000  # keys times models that are told apart in memory
LABELLED = 500  # keys that have metrics of their own
OTHER = "_other"  # no name begins so
DAY_S = 86400

By = Literal["day", "tenant", "team", "key", "model"]
Place = tuple[str, str, str, str]
Amounts = tuple[int, int, int, int]
_OVERFLOW: Place = ("", "", OTHER, OTHER)
_NOTHING: Amounts = (0, 0, 0, 0)

_log = logging.getLogger(__name__)


class Tally:
    """What one key used of one model since this process began. Fed by one thread, read by another."""

    __slots__ = ("errors", "requests", "tokens_in", "tokens_out", "written")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.written = _NOTHING

    def now(self) -> Amounts:
        """Requests, errors, tokens in, tokens out. What is added between two of them is seen the next time."""
        return self.requests, self.errors, self.tokens_in, self.tokens_out


class Batch(NamedTuple):
    """What is written at once: of each tally how far it had come, and what of that was not written before."""

    number: int
    day: str
    parts: list[tuple[Place, Tally, Amounts, Amounts]]


@dataclass(frozen=True, slots=True)
class Used:
    """A row of a report: the values of what it was grouped by, and the sums."""

    group: tuple[str, ...]
    requests: int
    errors: int
    tokens_in: int
    tokens_out: int


class Usage:
    """The counts of one process. `count` is for its event loop alone, `flush` and `prune` for the thread behind it."""

    def __init__(self, database: Database, telemetry: Telemetry, clock: Callable[[], float] = time.time) -> None:
        """Raises what `database` raises, where the table is not there and cannot be made."""
        database.migrate(AREA, STEPS)
        self._database = database
        self._clock = clock
        self._requests = telemetry.values(names.USED_REQUESTS)
        self._tokens = telemetry.values(names.USED_TOKENS)
        self._unwritten = telemetry.values(names.USAGE_FAILING).of()
        self._tallies: dict[Place, Tally] = {}
        self._labelled: set[tuple[str, str]] = set()
        self._process = token_hex(8)
        self._batches = 0
        self._unsure: Batch | None = None
        self._failing = False

    def count(self, key: Key | None, model: str, tokens_in: int, tokens_out: int, status: int) -> None:
        """Count one request that is over. `key` is None where the door is open; `status` 0 is an answer cut short.

        `model` is one that is served, or empty: no name that a client made up. Errors are 0 and 400 upwards.
        """
        place = (DEFAULT_TENANT, "", "", model) if key is None else (key.tenant, key.team, key.name, model)
        tally = self._tallies.get(place)
        if tally is None:
            tally = self._tally(place)
        tally.requests += 1
        tally.tokens_in += tokens_in
        tally.tokens_out += tokens_out
        if status >= 400 or not status:
            tally.errors += 1

    def flush(self) -> None:
        """Write what was counted since the last time; where that fails, the next time writes it too."""
        if self._unsure is None or self._wrote(self._unsure):
            batch = self._gathered()
            if batch is not None:
                self._wrote(batch)

    def prune(self, keep_days: int) -> int:
        """Drop the days that are older than `keep_days`; how many rows. Raises what the database does."""
        oldest = _day(self._clock() - keep_days * DAY_S)
        with self._database.writing() as transaction:
            ((count,),) = transaction.rows("SELECT COUNT(*) FROM usage WHERE day < ?", (oldest,))
            if count:
                transaction.execute("DELETE FROM usage WHERE day < ?", (oldest,))
            transaction.execute("DELETE FROM usage_batches WHERE day < ?", (oldest,))
        return int(count)

    def _gathered(self) -> Batch | None:
        """What was counted since the last batch; None where nothing was."""
        seen = [(place, tally, tally.now(), tally.written) for place, tally in list(self._tallies.items())]
        fresh = [(place, tally, now, _less(now, before)) for place, tally, now, before in seen if now != before]
        if not fresh:
            return None
        self._batches += 1
        return Batch(self._batches, _day(self._clock()), fresh)

    def _wrote(self, batch: Batch) -> bool:
        """Write `batch` unless it is there; whether it is now."""
        self._unsure = batch
        rows = [(batch.day, *place, *amounts) for place, _, _, amounts in batch.parts]
        try:
            with self._database.writing() as transaction:
                if not transaction.rows(WRITTEN, (self._process, batch.number)):
                    transaction.execute_many(ADD, rows)
                    transaction.execute(WROTE, (self._process, batch.day, batch.number))
        except FreeholdError as failure:
            if not self._failing:
                _log.error("usage cannot be written and waits in memory: %s", failure.cause)
            self._failing = True
            self._unwritten.set(1.0)
            return False
        self._unsure, self._failing = None, False
        self._unwritten.set(0.0)
        for place, tally, now, amounts in batch.parts:
            tally.written = now
            self._measure(place, amounts)
        return True

    def _tally(self, place: Place) -> Tally:
        """A new one. Where there are too many, those that are written make room, or else it counts for all others."""
        if len(self._tallies) >= MOST:
            self._tallies = {known: tally for known, tally in self._tallies.items() if tally.now() != tally.written}
            if len(self._tallies) >= MOST:
                place = _OVERFLOW
        return self._tallies.setdefault(place, Tally())

    def _measure(self, place: Place, amounts: Amounts) -> None:
        tenant, _, key, _ = place
        if (tenant, key) not in self._labelled:
            if len(self._labelled) >= LABELLED:
                tenant = key = OTHER
            else:
                self._labelled.add((tenant, key))
        requests, errors, tokens_in, tokens_out = amounts
        self._requests.of(tenant, key, "answered").inc(requests - errors)
        self._requests.of(tenant, key, "failed").inc(errors)
        self._tokens.of(tenant, key, "in").inc(tokens_in)
        self._tokens.of(tenant, key, "out").inc(tokens_out)


def report(
    database: Database, by: Sequence[By], *, tenant: str | None, since: str = "", until: str = "9999-12-31"
) -> list[Used]:
    """What was used, grouped `by`, ordered by these. `since` and `until` are days in UTC (2026-11-23), both included.

    `tenant` None is every tenant: for those alone who run the installation. Raises what `database` raises.
    """
    database.migrate(AREA, STEPS)
    columns = ", ".join(by)
    values: list[Value] = [since, until]
    where = "day >= ? AND day <= ?"
    if tenant is not None:
        where += " AND tenant = ?"
        values.append(tenant)
    sums = "SUM(requests), SUM(errors), SUM(tokens_in), SUM(tokens_out)"
    grouped = f"GROUP BY {columns} ORDER BY {columns}"
    statement = f"SELECT {columns}, {sums} FROM usage WHERE {where} {grouped}"  # noqa: S608 - `By` lists the words
    with database.reading() as transaction:
        rows = transaction.rows(statement, values)
    return [Used(tuple(row[: len(by)]), *map(int, row[len(by) :])) for row in rows]


def _less(now: Amounts, before: Amounts) -> Amounts:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2], now[3] - before[3]


def _day(at: float) -> str:
    """The day in UTC."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()
