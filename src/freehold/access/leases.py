"""The shared half of quotas: what every node together has taken of each budget, in one database.

A budget is what one key or one team may use in one window of time, or have under way at once. Nodes take slices of it
before they use them, so that a node that is killed has taken too much and never too little. Windows are counted from
1970 by the database's clock, and no node's own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from freehold.access.database import Database, Transaction

LAPSE_S = 10.0  # places among the requests under way that a node has not renewed for so long are free again
PORTION = 1000

_STEPS = (
    (
        "CREATE TABLE quota_budgets (subject TEXT NOT NULL, measure TEXT NOT NULL, span BIGINT NOT NULL,"
        " taken BIGINT NOT NULL, PRIMARY KEY (subject, measure))",
        "CREATE TABLE quota_places (subject TEXT NOT NULL, node TEXT NOT NULL, places BIGINT NOT NULL,"
        " until DOUBLE PRECISION NOT NULL, PRIMARY KEY (subject, node))",
    ),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a node asks of a budget of one window of `span_s` seconds.

    `window` is the one that it last knew, and `back` what it gives back of that one. `debt` was used already and is
    taken in any case; `want` is taken as far as `limit` leaves something.
    """

    subject: str
    measure: str
    span_s: int
    limit: int
    window: int
    want: int
    debt: int = 0
    back: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer: the budget's `window` now, how much of `want` was given, how much all nodes together have `taken`,
    and in how many seconds the window ends."""

    window: int
    granted: int
    taken: int
    ends_in_s: float


@dataclass(frozen=True, slots=True)
class Hold:
    """What a node asks of the places among the requests under way: it has `held`, and wants `want` more.

    Of the held ones `free` are not in use: as many can be taken away where the limit has become less.
    """

    subject: str
    limit: int
    held: int
    free: int
    want: int


@dataclass(frozen=True, slots=True)
class Place:
    """The answer: how many places came (or went, where it is negative), and how many all nodes together hold."""

    granted: int
    taken: int


class Leases(Protocol):
    """Where budgets are kept. One call at a time."""

    def exchange(self, asks: Sequence[Ask], holds: Sequence[Hold]) -> tuple[list[Grant], list[Place]]:
        """All of it or nothing. Raises OSError where the budgets cannot be reached."""
        ...

    def close(self) -> None:
        """Nothing is exchanged any more."""
        ...


class SharedLeases:
    """The leases of `node`, whose name no other one has, in a database that all nodes share."""

    def __init__(self, connect: Callable[[], Database], node: str) -> None:
        """`connect` is called by the first exchange: without limits nothing is opened."""
        self._connect = connect
        self._node = node
        self._database: Database | None = None

    def exchange(self, asks: Sequence[Ask], holds: Sequence[Hold]) -> tuple[list[Grant], list[Place]]:
        """As `Leases` says, in one transaction: the database lets one writer in at a time."""
        if self._database is None:
            self._database = _opened(self._connect)
        with self._database.writing() as transaction:
            now = transaction.now()
            grants = _take_all(transaction, asks, now) if asks else []
            places = self._hold_all(transaction, holds, now) if holds else []
        return grants, places

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _hold_all(self, transaction: Transaction, holds: Sequence[Hold], now: float) -> list[Place]:
        transaction.execute("DELETE FROM quota_places WHERE until <= ?", (now,))
        # a clock that went back would keep a killed node's places until it has caught up
        transaction.execute("UPDATE quota_places SET until = ? WHERE until > ?", (now + LAPSE_S, now + LAPSE_S))
        others = {
            subject: int(places)
            for subjects in _portions(hold.subject for hold in holds)
            for subject, places in transaction.rows(
                f"SELECT subject, SUM(places) FROM quota_places WHERE subject IN ({_marks(subjects)}) AND node <> ?"  # noqa: S608 - marks alone
                " GROUP BY subject",
                (*subjects, self._node),
            )
        }
        answers = [held(hold, others.get(hold.subject, 0)) for hold in holds]
        transaction.execute_many(
            "INSERT INTO quota_places VALUES (?, ?, ?, ?)"
            " ON CONFLICT (subject, node) DO UPDATE SET places = excluded.places, until = excluded.until",
            [
                (hold.subject, self._node, hold.held + place.granted, now + LAPSE_S)
                for hold, place in zip(holds, answers, strict=True)
            ],
        )
        return answers


def _opened(connect: Callable[[], Database]) -> Database:
    database = connect()
    try:
        database.migrate("quotas", _STEPS)
    except BaseException:
        database.close()
        raise
    return database


def _take_all(transaction: Transaction, asks: Sequence[Ask], now: float) -> list[Grant]:
    budgets = {
        (subject, measure): (int(window), int(taken))
        for subjects in _portions({ask.subject for ask in asks})
        for subject, measure, window, taken in transaction.rows(
            "SELECT subject, measure, span, taken FROM quota_budgets"  # noqa: S608 - marks alone
            f" WHERE subject IN ({_marks(subjects)})",
            subjects,
        )
    }
    answers = [take(ask, *budgets.get((ask.subject, ask.measure), (-1, 0)), now) for ask in asks]
    transaction.execute_many(
        "INSERT INTO quota_budgets VALUES (?, ?, ?, ?)"
        " ON CONFLICT (subject, measure) DO UPDATE SET span = excluded.span, taken = excluded.taken",
        [(ask.subject, ask.measure, grant.window, grant.taken) for ask, grant in zip(asks, answers, strict=True)],
    )
    return answers


def _portions(subjects: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """As many of `subjects` at a time as one statement takes: SQLite 32,766 values, PostgreSQL 65,535."""
    rest = iter(subjects)
    while portion := tuple(islice(rest, PORTION)):
        yield portion


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def held(hold: Hold, others: int) -> Place:
    """The answer to `hold` where other nodes hold `others`: what is in use is never taken away."""
    granted = max(min(hold.want, hold.limit - others - hold.held), -hold.free)
    return Place(granted, others + hold.held + granted)


def take(ask: Ask, window: int, taken: int, now: float) -> Grant:
    """The answer to `ask` where `taken` is taken in `window`, at the database's time `now`.

    A clock that goes back by less than a window gives nothing again: the later window goes on. One that goes back
    further would close the door until it has caught up, so there a window begins anew.
    """
    current = int(now // ask.span_s)
    if window == current + 1:
        current = window
    if window != current:
        taken = 0
    elif ask.window == current:
        taken -= ask.back
    taken += ask.debt
    granted = max(0, min(ask.want, ask.limit - taken))
    taken += granted
    return Grant(current, granted, taken, (current + 1) * ask.span_s - now)
