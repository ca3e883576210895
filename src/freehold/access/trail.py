"""The audit at rest: one chain of lines in the database of the keys, whoever writes, however many at a time.

What it shows and what it does not: docs/decisions/audit.md. One writer at a time is what the database sees to.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from freehold.access.act import GENESIS, Act, Line, fit, hash_after, is_hash
from freehold.access.database import Database, Transaction, Value
from freehold.access.witness import Head, Witness
from freehold.errors import FreeholdError

AREA = "audit"
STEPS = (
    (
        "CREATE TABLE audit (number BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,"
        " tenant TEXT NOT NULL, model TEXT NOT NULL, line TEXT NOT NULL, hash TEXT NOT NULL)",
        "CREATE INDEX audit_at ON audit (at_ms)",
        "CREATE TABLE audit_head (number BIGINT NOT NULL, hash TEXT NOT NULL)",
        f"INSERT INTO audit_head VALUES (0, '{GENESIS.hex()}')",  # noqa: S608 - a constant
    ),
)
PRUNED = "audit.prune"
OURSELVES = "freehold"  # who acts where nobody asked
DAY_S = 86400
COLUMNS = "number, at_ms, what, who, tenant, model, line, hash"
PAGE = 200  # lines read at a time: a reader keeps no transaction open while writers wait, nor much of their content
DROPPED = (
    2000  # lines dropped at a time: writers wait for half a second where all have content, not for all that is old
)

_log = logging.getLogger(__name__)

Order = Literal["oldest", "newest"]


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines: all conditions that are given. `since` and `until` are seconds since 1970, `until` is left out.

    `what` is a verb (`keys.create`) or its noun (`keys`). `tenant` None is every tenant: for those alone who run the
    installation.
    """

    tenant: str | None
    since: float | None = None
    until: float | None = None
    who: str | None = None
    what: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One line as the database has it: `line` is its canonical bytes as text, `hash` 64 hexadecimal digits."""

    number: int
    at_ms: int
    what: str
    who: str
    tenant: str
    model: str
    line: str
    hash: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Kept":
        """A row of the table. Raises `audit_foreign` where it has no number or time: none of ours ever wrote that."""
        number, at_ms, *texts = row
        if not isinstance(number, int) or not isinstance(at_ms, int):
            raise FreeholdError("audit_foreign", number=f"{number!r:.40}", at=f"{at_ms!r:.40}")
        return cls(number, at_ms, *map(str, texts))

    def document(self) -> dict[str, Any]:
        """The line as data, with its hash. One that somebody broke is shown as it stands, under `line`."""
        try:
            known = msgspec.json.decode(self.line, type=dict[str, Any])
        except msgspec.MsgspecError:
            known = {"number": self.number, "line": self.line}
        return {**known, "hash": self.hash}


class Trail:
    """The chain. Safe from several threads and processes, as its database is; all methods wait for it, and raise its
    `database_*` errors."""

    def __init__(
        self,
        database: Database,
        node: str,
        witness: Witness | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`node` is this machine's name in the lines that it writes; `witness` keeps the head outside the database."""
        database.migrate(AREA, STEPS)
        self.database = database
        self.witness = witness
        self._node = node
        self._clock = clock
        self._told = False

    def append(self, acts: Sequence[Act]) -> Head:
        """Write `acts` behind the last line; all are on disk when this returns, or none."""
        with self.database.writing() as transaction:
            head = self.append_in(transaction, acts)
        self.keep(head)
        return head

    def append_in(self, transaction: Transaction, acts: Sequence[Act]) -> Head:
        """The same in a transaction of the caller, who hands the head to `keep` when it has ended: a change to the
        database and its line are then written together or not at all."""
        head = _head(transaction)
        if head is None or not is_hash(head.hash):
            raise FreeholdError("audit_headless", place=self.database.place)
        now = self._clock()
        rows: list[tuple[Value, ...]] = []
        for act in acts:
            at_ms = int((now if act.at is None else act.at) * 1000)
            line = Line(head.number + 1, at_ms, self._node, act)
            canonical = line.canonical()
            head = Head(line.number, hash_after(bytes.fromhex(head.hash), canonical).hex())
            found = (fit(act.what), fit(act.who), fit(act.tenant), fit(act.model))
            rows.append((line.number, at_ms, *found, canonical.decode("utf-8"), head.hash))
        transaction.execute_many("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        transaction.execute("UPDATE audit_head SET number = ?, hash = ?", (head.number, head.hash))
        return head

    def keep(self, head: Head) -> None:
        """Note outside the database that the chain has come to `head`. Where that fails, the lines stand all the same,
        and the log has the head.

        A chain that lacks what was noted before is none that goes on: the older head stays, for `--verify` to show.
        """
        if self.witness is None:
            return
        try:
            known = self.witness.last()
            if known is None or self._has(known):
                self.witness.saw(head)
            elif not self._told:
                self._told = True
                _log.error("the audit lacks line %s, which was seen here: %s stays as it is", known, self.witness.path)
        except ValueError:
            self.witness.saw(head)
        except (OSError, FreeholdError) as failure:
            _log.warning("the audit has come to %s, which could not be kept beside it: %s", head, failure)

    def head(self) -> Head:
        """The last line's number and hash, as the database says; number 0 before the first, -1 where somebody took it
        out of the database."""
        with self.database.reading() as transaction:
            return _head(transaction) or Head(-1, "")

    def pages(self, query: Query, order: Order = "oldest") -> Iterator[list[Kept]]:
        """The lines of `query` by their numbers, some at a time."""
        conditions, values = _conditions(query)
        forth = order == "oldest"
        last: int | None = None
        while True:
            wanted, given = list(conditions), list(values)
            if last is not None:
                wanted.append("number > ?" if forth else "number < ?")
                given.append(last)
            where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
            by = f" ORDER BY number {'ASC' if forth else 'DESC'} LIMIT {PAGE}"
            statement = f"SELECT {COLUMNS} FROM audit{where}{by}"  # noqa: S608 - of our own words; values are apart
            with self.database.reading() as transaction:
                page = [Kept.of(row) for row in transaction.rows(statement, given)]
            if not page:
                return
            yield page
            last = page[-1].number

    def prune(self, keep_days: int) -> int:
        """Drop the lines that are older than `keep_days` days; how many. The chain says itself where it now begins.

        A line of the future, written while a clock was ahead, holds back none behind it.
        """
        now_ms = int(self._clock() * 1000)
        cutoff_ms = now_ms - keep_days * DAY_S * 1000
        with self.database.reading() as transaction:
            last = _last_to_drop(transaction, cutoff_ms, now_ms)
        dropped = 0
        while count := self._drop(last, keep_days):
            dropped += count
        return dropped

    def _drop(self, last: int, keep_days: int) -> int:
        """Drop the first lines, not beyond number `last` and not too many; how many."""
        with self.database.writing() as transaction:
            ((first,),) = transaction.rows("SELECT MIN(number) FROM audit")
            through = min(last, (first or 0) + DROPPED - 1)
            ((count,),) = transaction.rows("SELECT COUNT(*) FROM audit WHERE number <= ?", (through,))
            if not count:
                return 0
            before = "SELECT number, hash FROM audit WHERE number <= ? ORDER BY number DESC LIMIT 1"
            ((number, digest),) = transaction.rows(before, (through,))
            transaction.execute("DELETE FROM audit WHERE number <= ?", (through,))
            details: dict[str, str | int] = {"through": number, "hash": digest, "lines": count, "keep_days": keep_days}
            head = self.append_in(transaction, [Act(PRUNED, OURSELVES, details=details)])
        self.keep(head)
        return int(count)

    def _has(self, known: Head) -> bool:
        """Whether that line is in the chain, or was dropped from its beginning."""
        with self.database.reading() as transaction:
            found = transaction.rows("SELECT hash FROM audit WHERE number = ?", (known.number,))
            if found:
                return bool(found[0][0] == known.hash)
            ((first,),) = transaction.rows("SELECT MIN(number) FROM audit")
        return bool(first is not None and known.number < first)


def _last_to_drop(transaction: Transaction, cutoff_ms: int, now_ms: int) -> int:
    """The number of the last line before the first one that is neither too old nor of the future; 0 for none."""
    by_number = "+at_ms"  # no index has that: the lines are walked from the first one, and not all that are kept
    kept = f"SELECT number FROM audit WHERE {by_number} BETWEEN ? AND ? ORDER BY number LIMIT 1"  # noqa: S608 - a constant
    for (number,) in transaction.rows(kept, (cutoff_ms, now_ms)):
        return int(number) - 1
    ((last,),) = transaction.rows("SELECT MAX(number) FROM audit WHERE at_ms < ?", (cutoff_ms,))
    return int(last or 0)


def _head(transaction: Transaction) -> Head | None:
    rows = transaction.rows("SELECT number, hash FROM audit_head")
    return Head(int(rows[0][0]), str(rows[0][1])) if rows else None


def _conditions(query: Query) -> tuple[list[str], list[Value]]:
    found: list[tuple[str, Value]] = []
    if query.since is not None:
        found.append(("at_ms >= ?", int(query.since * 1000)))
    if query.until is not None:
        found.append(("at_ms < ?", int(query.until * 1000)))
    for column in ("tenant", "who", "model"):
        value = getattr(query, column)
        if value is not None:
            found.append((f"{column} = ?", value))
    conditions = [condition for condition, _ in found]
    values = [value for _, value in found]
    if query.what is not None:
        below = query.what.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        conditions.append("(what = ? OR what LIKE ? ESCAPE '!')")
        values += [query.what, f"{below}.%"]
    return conditions, values
