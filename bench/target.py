"""One promised number, and what a run says of it."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.results import Results, Sample

Measure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """`measure` gives None where the run holds no numbers for it. `least` bounds from below, `most` from above."""

    text: str
    measure: Measure
    least: float | None = None
    most: float | None = None
    digits: int = 2

    def wanted(self) -> str:
        """The bound, as the table shows it."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:.4g}"

    def verdict(self, value: float | None) -> str:
        """met, or missed and by how much of the bound."""
        if value is None:
            return "not measured"
        if self.least is not None:
            return "met" if value >= self.least else f"missed by {1 - value / self.least:.0%}"
        assert self.most is not None
        if value <= self.most:
            return "met"
        return f"missed by {value / self.most - 1:.0%}" if self.most else f"missed: {value:g}"


def ratio(workload: str, over: str, under: str, concurrency: int, measure: Callable[[Sample], float]) -> Measure:
    """`over` by `under`, medians of one load; None where either is missing or zero."""

    def of(results: Results) -> float | None:
        top = results.median(workload, over, concurrency, measure)
        bottom = results.median(workload, under, concurrency, measure)
        return top / bottom if top is not None and bottom else None

    return of
