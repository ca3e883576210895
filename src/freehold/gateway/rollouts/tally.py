"""What came of the requests of a route while a rollout judges it: errors and latencies, by the model that answered.

Only routes that somebody watches are counted, so that noting an answer of any other costs one look into a table. Kept
in slices of time, of which the last few are the recent past: an outage shows there, however long a step has lasted.
Used from the event loop's thread only.
"""

from collections import deque
from collections.abc import Iterable
from math import log2

SLICE_S = 10.0
SLICES = 6
LEFT = 499  # the client went away: that says nothing of the model
_FASTEST_S = 0.0001
_BINS_AN_OCTAVE = 16  # a quantile is within 2.2 % of the truth
_LAST_BIN = 24 * _BINS_AN_OCTAVE  # half an hour


class Counts:
    """Requests that were answered: how many, how many failed or were refused, how long they took."""

    __slots__ = ("bins", "errors", "refused", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0  # answered with 5xx, cut short, or not at all
        self.refused = 0  # answered with 4xx
        self.bins: dict[int, int] = {}  # by bin of their durations, the requests

    def note(self, status: int, seconds: float) -> None:
        """Count one answer; status 0: there was none, or not all of it."""
        self.requests += 1
        if status >= 500 or status == 0:
            self.errors += 1
        elif status >= 400:
            self.refused += 1
        self.took(seconds)

    def took(self, seconds: float, requests: int = 1) -> None:
        """Count how long `requests` took whose number and ends are counted apart."""
        place = _bin(seconds)
        self.bins[place] = self.bins.get(place, 0) + requests

    def add(self, other: "Counts") -> None:
        """Count all that `other` counted."""
        self.requests += other.requests
        self.errors += other.errors
        self.refused += other.refused
        for place, count in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + count

    @property
    def error_rate(self) -> float:
        """The share of requests that failed, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def refused_rate(self) -> float:
        """The share of requests that were refused, 0 to 1."""
        return self.refused / self.requests if self.requests else 0.0

    def quantile_s(self, share: float) -> float | None:
        """The seconds within which this share of the requests was answered; None before the first one."""
        wanted, seen = share * self.requests, 0
        for place in sorted(self.bins):
            seen += self.bins[place]
            if seen >= wanted:
                return float(_FASTEST_S * 2.0 ** ((place + 0.5) / _BINS_AN_OCTAVE))
        return None

    @property
    def p99_s(self) -> float | None:
        """The 99th percentile, in seconds; None before the first answer."""
        return self.quantile_s(0.99)


def _bin(seconds: float) -> int:
    if seconds <= _FASTEST_S:
        return 0
    return min(_LAST_BIN, int(_BINS_AN_OCTAVE * log2(seconds / _FASTEST_S)))


class _Window:
    """One model's answers since a step began, the latest `SLICES` slices apart."""

    __slots__ = ("before", "now", "slices")

    def __init__(self) -> None:
        self.before = Counts()
        self.now = Counts()
        self.slices: deque[Counts] = deque([self.now])

    def turn(self) -> None:
        if len(self.slices) == SLICES:
            self.before.add(self.slices.popleft())
        self.now = Counts()
        self.slices.append(self.now)

    def recent(self) -> Counts:
        return _sum(self.slices)

    def whole(self) -> Counts:
        return _sum([self.before, *self.slices])


class Tally:
    """The answers of the routes that are watched."""

    def __init__(self) -> None:
        self._watched: dict[str, dict[str, _Window]] = {}

    def note(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count an answer of `model` to a request for `route`; status 0: none, or cut short."""
        windows = self._watched.get(route)
        if windows is None or status == LEFT:
            return
        window = windows.get(model)
        if window is None:
            window = windows[model] = _Window()
        window.now.note(status, seconds)

    def begin(self, route: str) -> None:
        """Watch `route`, from nothing."""
        self._watched[route] = {}

    def end(self, route: str) -> None:
        """Watch it no more."""
        self._watched.pop(route, None)

    def turn(self) -> None:
        """A slice of time is over; called every `SLICE_S` seconds."""
        for windows in self._watched.values():
            for window in windows.values():
                window.turn()

    def whole(self, route: str, *models: str) -> Counts:
        """What these models answered since `begin`."""
        return _sum(window.whole() for window in self._windows(route, models))

    def recent(self, route: str, *models: str) -> Counts:
        """The same of the last minute."""
        return _sum(window.recent() for window in self._windows(route, models))

    def _windows(self, route: str, models: tuple[str, ...]) -> list[_Window]:
        watched = self._watched.get(route, {})
        return [watched[model] for model in models if model in watched]


def _sum(parts: Iterable[Counts]) -> Counts:
    total = Counts()
    for part in parts:
        total.add(part)
    return total
