"""What a run is made of: rows that take turns, and how long it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.results import Sample

Turn = Callable[[int], list[Sample]]


@dataclass(frozen=True)
class Row:
    """One line of a table: `measure(round)` starts the server, measures it, stops it."""

    server: str
    measure: Turn


@dataclass(frozen=True)
class Workload:
    """Rows that take turns, `rounds` times."""

    name: str
    title: str
    rounds: int
    rows: Sequence[Row]


@dataclass(frozen=True)
class Scale:
    """How long a run is. `requests` and `seconds` multiply every load."""

    rounds: int
    requests: float
    seconds: float
    long_chunks: int
    large_chunks: int


FULL = Scale(rounds=3, requests=1.0, seconds=1.0, long_chunks=10_000, large_chunks=200)
QUICK = Scale(rounds=1, requests=0.25, seconds=0.3, long_chunks=200, large_chunks=10)
