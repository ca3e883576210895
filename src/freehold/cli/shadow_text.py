"""The report of a shadow in lines for people and in data for programs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from freehold.cli.columns import columns
from freehold.gateway.shadows.shadow_report import Pair, Report, Spread, moment

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def measures(report: Report) -> dict[str, Spread]:
    """What was measured of pairs of answers, by its name in a report; what has no value is left out."""
    spreads = {"numbers": report.numbers, "angles": report.angles, "orders": report.orders, "texts": report.texts}
    return {name: spread for name, spread in spreads.items() if spread.count}


def data_of(report: Report) -> dict[str, Any]:
    """All of it, with its sums and quantiles. An infinite difference, of which JSON has no number, is null."""
    total = report.total
    latency = {"first": report.latency.first, "whole": report.latency.whole}
    shadows = {"first": report.shadow_latency.first, "whole": report.shadow_latency.whole}
    return {
        **msgspec.to_builtins(report, str_keys=True),
        "compared": total.count,
        "share_differs": total.differs / total.count if total.count else None,
        "quantiles": {
            **{name: _quantiles(spread) for name, spread in measures(report).items()},
            "latency": {name: _quantiles(spread) for name, spread in latency.items()},
            "shadow_latency": {name: _quantiles(spread) for name, spread in shadows.items()},
        },
    }


def lines_of(report: Report) -> Iterator[str]:
    """What was compared, how it differs, how long it took, and which requests differ most."""
    total = report.total
    yield f"{report.route} beside {report.shadow}, {moment(report.since)} to {moment(report.updated)}"
    yield f"  compared  {total.count}: {total.equal} equal, {total.within} within bounds, {total.differs} differ"
    yield f"  bounds    {bounds_text(report)}"
    for word, counts in (("dropped", report.dropped), ("failed", report.failed), ("because", report.reasons)):
        if counts:
            yield f"  {word:<8}  {counted(counts)}"
    if total.count:
        yield ""
        kinds = [
            (name, *map(str, (kind.count, kind.equal, kind.within, kind.differs))) for name, kind in kinds_of(report)
        ]
        yield from _table([("answers", "compared", "equal", "within", "differ"), *kinds])
        yield ""
        yield from _table([("", "p50", "p90", "p99", "most"), *_spreads(report)])
    if report.worst:
        yield ""
        yield from _table(
            [("differ most", "when", "answer", "of", "why", "measured", "s", "shadow s"), *map(_pair, report.worst)]
        )


def bounds_text(report: Report) -> str:
    """`auto: tolerance 0.001, similarity 0.9`, as far as they are used."""
    tolerance = f"tolerance {report.tolerance:g}" if report.compare in ("auto", "numeric") else ""
    similarity = f"similarity {report.similarity:g}" if report.compare in ("auto", "text") else ""
    return f"{report.compare}: {', '.join(filter(None, (tolerance, similarity))) or 'equal'}"


def counted(counts: Mapping[str, int]) -> str:
    """`busy 3, memory 1`: the most first."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def kinds_of(report: Report) -> list[tuple[str, Any]]:
    """The kinds of answers, the most first."""
    return sorted(report.kinds.items(), key=lambda item: -item[1].count)


def quantile_cells(spread: Spread) -> tuple[str, ...]:
    """p50, p90, p99 and the largest, as people read them."""
    most = math.inf if spread.infinite else spread.largest
    return (*(_number(spread.quantile(share)) for share in QUANTILES.values()), _number(most))


def measured_text(pair: Pair) -> str:
    """The measures of one pair of answers."""
    known = (
        ("max_abs", pair.max_abs),
        ("cosine", pair.cosine),
        ("order", pair.order),
        ("similarity", pair.similarity),
    )
    return ", ".join(f"{name} {value:.4g}" for name, value in known if value is not None) or "-"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return (f"  {line}" for line in columns(rows))


def _quantiles(spread: Spread) -> dict[str, float | None]:
    found = {name: spread.quantile(share) for name, share in QUANTILES.items()}
    most = math.inf if spread.infinite else spread.largest
    return {
        name: None if value is None or math.isinf(value) else value for name, value in {**found, "most": most}.items()
    }


_ROWS = {
    "numbers": "largest difference",
    "angles": "1 - cosine",
    "orders": "pairs that changed places",
    "texts": "1 - similarity",
}


def _spreads(report: Report) -> Iterator[tuple[str, ...]]:
    for name, spread in measures(report).items():
        yield _ROWS[name], *quantile_cells(spread)
    for row, latency in (("clients' answers", report.latency), ("shadow's answers", report.shadow_latency)):
        yield f"{row}, first byte (s)", *quantile_cells(latency.first)
        yield f"{row}, whole (s)", *quantile_cells(latency.whole)


def _pair(pair: Pair) -> tuple[str, ...]:
    times = (f"{pair.seconds:.3f}", f"{pair.shadow_seconds:.3f}")
    why = pair.reason or "within bounds"
    return (pair.request_id, moment(pair.at), pair.kind, pair.model, why, measured_text(pair), *times)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
