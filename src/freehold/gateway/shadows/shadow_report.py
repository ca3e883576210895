"""What comparing a route with its shadow has shown so far: counts, spreads, and the requests that differ most.

A report is numbers and request ids, never what was asked or answered, so it may lie on a disk. One file a route,
`$FREEHOLD_HOME/shadow/ROUTE.json`; a gateway that starts again goes on with it.
"""

import logging
import math
import threading
from bisect import insort
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.config import Shadow
from freehold.errors import FreeholdError
from freehold.gateway.comparing.comparison import Comparison

log = logging.getLogger(__name__)

FOLDER = "shadow"  # below FREEHOLD_HOME
WORST = 20  # requests that are named
REASONS = 32  # distinct ones that are counted; more are one: "other"
STEPS = 20
"""Buckets in a factor of ten: a quantile is at most 12 % more than the value."""
_LOWEST, _HIGHEST = -12 * STEPS, 12 * STEPS


class Spread(msgspec.Struct):
    """Values of 0 and more, counted by size: bucket k has those above 10^((k - 1) / STEPS), up to 10^(k / STEPS).

    `largest` is that of the finite ones.
    """

    zeros: int = 0
    infinite: int = 0
    largest: float = 0.0
    buckets: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return self.zeros + self.infinite + sum(self.buckets.values())

    def add(self, value: float) -> None:
        """Count one."""
        if value <= 0:
            self.zeros += 1
        elif not math.isfinite(value):
            self.infinite += 1
        else:
            self.largest = max(self.largest, value)
            bucket = min(max(math.ceil(STEPS * math.log10(value)), _LOWEST), _HIGHEST)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def quantile(self, share: float) -> float | None:
        """What `share` of them (0 to 1) do not exceed; None without any."""
        if not self.count:
            return None
        if self.zeros >= share * self.count:
            return 0.0
        return next((value for value, reached in self.cumulated() if reached >= share), math.inf)

    def cumulated(self) -> list[tuple[float, float]]:
        """The upper ends of the buckets, rising, each with the share of all values that lie at or below it."""
        total, seen = self.count, self.zeros
        ends = []
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            ends.append((min(float(10.0 ** (bucket / STEPS)), self.largest), seen / total))
        return ends


class Verdicts(msgspec.Struct):
    """How many pairs of answers were the same, differed within bounds, and beyond them."""

    equal: int = 0
    within: int = 0
    differs: int = 0

    @property
    def count(self) -> int:
        """All of them."""
        return self.equal + self.within + self.differs


class Times(msgspec.Struct, frozen=True):
    """Seconds from asking to the first byte of an answer, and to its last one."""

    first: float
    whole: float


class Pair(msgspec.Struct, frozen=True):
    """One request that two models answered unlike: when (Unix time), by which model for the user, how, and how fast.

    An `excess` or `max_abs` of None was infinite, or there was none.
    """

    request_id: str
    at: float
    model: str
    kind: str
    verdict: str
    reason: str
    excess: float | None
    max_abs: float | None
    cosine: float | None
    order: float | None
    similarity: float | None
    seconds: float
    shadow_seconds: float

    @property
    def rank(self) -> float:
        """Negative and smaller for those that differ more."""
        return -math.inf if self.excess is None else -self.excess


class Latency(msgspec.Struct):
    """Spreads of seconds."""

    first: Spread = msgspec.field(default_factory=Spread)
    whole: Spread = msgspec.field(default_factory=Spread)

    def add(self, times: Times) -> None:
        """Count one answer."""
        self.first.add(times.first)
        self.whole.add(times.whole)


class Report(msgspec.Struct):
    """All of one route and its shadow, under bounds that stayed the same. Times are Unix times."""

    route: str
    shadow: str
    compare: str
    tolerance: float
    similarity: float
    since: float
    updated: float
    kinds: dict[str, Verdicts] = {}
    reasons: dict[str, int] = {}
    failed: dict[str, int] = {}
    dropped: dict[str, int] = {}
    numbers: Spread = msgspec.field(default_factory=Spread)
    """Largest absolute differences."""
    angles: Spread = msgspec.field(default_factory=Spread)
    """1 - cosine."""
    orders: Spread = msgspec.field(default_factory=Spread)
    """Shares of pairs of documents that changed places."""
    texts: Spread = msgspec.field(default_factory=Spread)
    """1 - similarity."""
    latency: Latency = msgspec.field(default_factory=Latency)
    shadow_latency: Latency = msgspec.field(default_factory=Latency)
    worst: list[Pair] = []

    @property
    def total(self) -> Verdicts:
        """The verdicts on answers of all kinds."""
        kinds = self.kinds.values()
        return Verdicts(
            sum(kind.equal for kind in kinds), sum(kind.within for kind in kinds), sum(kind.differs for kind in kinds)
        )

    def is_of(self, shadow: Shadow) -> bool:
        """Whether what that shadow shows belongs into this report."""
        bounds = (self.compare, self.tolerance, self.similarity)
        return (self.shadow, *bounds) == (shadow.id, shadow.compare, shadow.tolerance, shadow.similarity)

    def add(self, request_id: str, model: str, found: Comparison, mine: Times, theirs: Times, now: float) -> None:
        """Count the answers of `model` and of the shadow to one request."""
        verdicts = self.kinds.setdefault(found.kind, Verdicts())
        setattr(verdicts, found.verdict, getattr(verdicts, found.verdict) + 1)
        for spread, value in (
            (self.numbers, found.max_abs),
            (self.angles, None if found.cosine is None else 1 - found.cosine),
            (self.orders, None if found.order is None else 1 - found.order),
            (self.texts, None if found.similarity is None else 1 - found.similarity),
        ):
            if value is not None:
                spread.add(value)
        self.latency.add(mine)
        self.shadow_latency.add(theirs)
        if found.verdict == "differs":
            known = found.reason in self.reasons or len(self.reasons) < REASONS
            _count(self.reasons, found.reason if known else "other")
        if found.verdict != "equal":
            insort(self.worst, _pair(request_id, model, found, mine, theirs, now), key=lambda pair: pair.rank)
            del self.worst[WORST:]
        self.updated = now

    def fail(self, code: str, now: float) -> None:
        """Count a request that the shadow did not answer."""
        _count(self.failed, code)
        self.updated = now

    def drop(self, reason: str, now: float) -> None:
        """Count a request that was not copied, or not compared."""
        _count(self.dropped, reason)
        self.updated = now


_REPORT = msgspec.json.Decoder(Report)


class Reports:
    """The reports of all routes, and where they are kept. A folder that cannot be written to is told of once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reports: dict[str, Report] = {}
        self._changed: set[str] = set()
        self._told = False
        self._writing = threading.Lock()  # the last ones are written while a thread may still be at it

    def of(self, route: str, shadow: Shadow, now: float) -> Report:
        """The report that `shadow` adds to: the one that was kept, or a new one where its bounds have changed."""
        report = self._reports.get(route) or self._kept(route)
        if report is None or not report.is_of(shadow):
            report = Report(route, shadow.id, shadow.compare, shadow.tolerance, shadow.similarity, now, now)
        self._reports[route] = report
        self._changed.add(route)
        return report

    def unwritten(self) -> dict[Path, bytes]:
        """What was added to since this was last called, by its file."""
        changed, self._changed = self._changed, set()
        return {path_of(self._folder, route): encoded(self._reports[route]) for route in sorted(changed)}

    def write(self, changed: dict[Path, bytes]) -> None:
        """Keep what `unwritten` returned; may take the time of a disk."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._writing:
                for path, data in changed.items():
                    write_durably(path, data)
        except OSError as error:
            if not self._told:
                reason = error.strerror or str(error)
                log.warning("shadow_reports_unwritable", extra={"path": self._folder, "reason": reason})
            self._told = True

    def _kept(self, route: str) -> Report | None:
        try:
            return load(self._folder, route)
        except FreeholdError as error:
            if error.code != "shadow_report_absent":
                log.warning("shadow_report_begun_anew", extra={"route": route, "cause": error.cause})
            return None


def path_of(folder: Path, route: str) -> Path:
    """The file of a route's report."""
    return folder / f"{route}.json"


def encoded(report: Report) -> bytes:
    """As it is kept: JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def load(folder: Path, route: str) -> Report:
    """The report of a route as it was last kept. Raises `shadow_report_absent` and `shadow_report_unreadable`."""
    path = path_of(folder, route)
    try:
        return _REPORT.decode(path.read_bytes())
    except FileNotFoundError:
        raise FreeholdError("shadow_report_absent", route=route, known=", ".join(known(folder)) or "none") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FreeholdError("shadow_report_unreadable", path=path, reason=error) from None


def known(folder: Path) -> Iterator[str]:
    """The routes that have a report."""
    return (path.stem for path in sorted(folder.glob("[!.]*.json")))


def moment(seconds: float) -> str:
    """A Unix time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _pair(request_id: str, model: str, found: Comparison, mine: Times, theirs: Times, now: float) -> Pair:
    return Pair(
        request_id,
        now,
        model,
        found.kind,
        found.verdict,
        found.reason,
        _finite(found.excess),
        _finite(found.max_abs),
        _finite(found.cosine),
        found.order,
        found.similarity,
        mine.whole,
        theirs.whole,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
