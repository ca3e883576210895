"""The tables of routing, and the numbers that were promised of it."""

from collections.abc import Callable, Sequence

from bench.fronts import DIRECT, FREEHOLD, LITELLM, PLAIN_ENVOY
from bench.results import Results, Sample
from bench.routing import ALONE, BUSY, CHANGED, HELD, IDLE, OPEN, RATE, ROUTES, STREAMED, STREAMS
from bench.target import Measure, Target, ratio

Table = tuple[Sequence[str], list[list[str]]]
WORKLOADS = (OPEN, STREAMED, HELD, CHANGED)
MIB = 1 << 20


def table_of(results: Results, workload: str) -> Table:
    """Head and rows of one workload."""
    return {OPEN: _whole, STREAMED: _streams, HELD: _idle, CHANGED: _change}[workload](results)


def _p50(sample: Sample) -> float:
    return sample.p50_s * 1e3


def _p99(sample: Sample) -> float:
    return sample.p99_s * 1e3


def _cpu_us(sample: Sample) -> float:
    return sample.cpu_per_item * 1e6


def _a_cpu_second(sample: Sample) -> float:
    return sample.items / sample.cpu_seconds if sample.cpu_seconds else 0.0


def _pss(sample: Sample) -> float:
    return sample.pss_bytes / MIB


def _lost(sample: Sample) -> float:
    return float(sample.failed)


def added(workload: str, load: int, measure: Callable[[Sample], float], name: str = FREEHOLD.name) -> Measure:
    """What a front adds to the upstream's own, medians."""

    def of(results: Results) -> float | None:
        through = results.median(workload, name, load, measure)
        direct = results.median(workload, DIRECT, load, measure)
        return through - direct if through is not None and direct is not None else None

    return of


def _whole(results: Results) -> Table:
    head = ("server", f"{RATE}/s: p50 ms", "p99 ms", "1 client: p50 ms", "p99 ms", "CPU us each")
    head = (*head, "64 clients: a second", "CPU us each", "requests a CPU second", "to Envoy's", "failed")
    rows = []
    for name in results.servers(BUSY):
        places: list[tuple[str, int, Callable[[Sample], float], str]] = [
            (OPEN, RATE, _p50, "{:.2f}"),
            (OPEN, RATE, _p99, "{:.2f}"),
            (ALONE, 1, _p50, "{:.2f}"),
            (ALONE, 1, _p99, "{:.2f}"),
            (ALONE, 1, _cpu_us, "{:,.0f}"),
            (BUSY, 64, lambda one: one.rate, "{:,.0f}"),
            (BUSY, 64, _cpu_us, "{:,.0f}"),
            (BUSY, 64, _a_cpu_second, "{:,.0f}"),
        ]
        cells = [_cell(results, name, *place) for place in places]
        share = ratio(BUSY, name, PLAIN_ENVOY.name, 64, _a_cpu_second)(results)
        lost = sum(one.failed for one in results.samples if one.server == name and one.workload in (OPEN, ALONE, BUSY))
        rows.append([name, *cells, "" if share is None else f"{share:.2f}", str(lost)])
    return head, rows


def _streams(results: Results) -> Table:
    head = ("server", "gap p50 ms", "gap p99 ms", "CPU ms a 1,000 frames", "to Envoy's", "PSS MiB")
    rows = []
    for name in results.servers(STREAMED):
        measures = ((_p50, "{:.1f}"), (_p99, "{:.1f}"), (lambda one: one.cpu_per_item * 1e6, "{:,.1f}"))
        cells = [_cell(results, name, STREAMED, STREAMS, measure, form) for measure, form in measures]
        share = ratio(STREAMED, name, PLAIN_ENVOY.name, STREAMS, _cpu_us)(results)
        memory = _cell(results, name, STREAMED, STREAMS, _pss, "{:,.0f}")
        rows.append([name, *cells, "" if share is None else f"{share:.2f}", memory])
    return head, rows


def _idle(results: Results) -> Table:
    head = ("server", "connections", "PSS MiB")
    cells = ((lambda one: float(one.items), "{:,.0f}"), (_pss, "{:,.0f}"))
    names = results.servers(HELD)
    return head, [[name, *(_cell(results, name, HELD, IDLE, *cell) for cell in cells)] for name in names]


def _change(results: Results) -> Table:
    head = ("server", "routes", "seconds until in force", "CPU seconds", "p50 ms meanwhile", "p99 ms", "failed")
    cells: tuple[tuple[Callable[[Sample], float], str], ...] = (
        (lambda one: float(one.items), "{:,.0f}"),
        (lambda one: one.seconds, "{:.2f}"),
        (lambda one: one.cpu_seconds, "{:.2f}"),
        (_p50, "{:.2f}"),
        (_p99, "{:.2f}"),
        (_lost, "{:.0f}"),
    )
    names = results.servers(CHANGED)
    return head, [[name, *(_cell(results, name, CHANGED, ROUTES, *cell) for cell in cells)] for name in names]


def _cell(results: Results, name: str, workload: str, load: int, measure: Callable[[Sample], float], form: str) -> str:
    value = results.median(workload, name, load, measure)
    return "" if value is None else form.format(value)


_WHOLE = "Routing by body: "
_FRAMES = "500 streams of 20 frames/s: "

TARGETS = (
    Target(_WHOLE + "added at 500 requests/s, p50, ms", added(OPEN, RATE, _p50), most=0.5),
    Target(_WHOLE + "added at 500 requests/s, p99, ms", added(OPEN, RATE, _p99), most=3),
    Target(_WHOLE + "added for one client, p50, ms", added(ALONE, 1, _p50), most=0.5),
    Target(_WHOLE + "added for one client, p99, ms", added(ALONE, 1, _p99), most=3),
    Target(
        _WHOLE + "64 clients, requests a CPU second, to Envoy's",
        ratio(BUSY, FREEHOLD.name, PLAIN_ENVOY.name, 64, _a_cpu_second),
        least=0.3,
    ),
    Target(
        _WHOLE + "64 clients, requests a CPU second, to LiteLLM's",
        ratio(BUSY, FREEHOLD.name, LITELLM.name, 64, _a_cpu_second),
        least=10,
    ),
    Target(
        _FRAMES + "CPU time a frame, to Envoy's",
        ratio(STREAMED, FREEHOLD.name, PLAIN_ENVOY.name, STREAMS, _cpu_us),
        most=3,
    ),
    Target(
        _FRAMES + "CPU time a frame, to LiteLLM's",
        ratio(STREAMED, FREEHOLD.name, LITELLM.name, STREAMS, _cpu_us),
        most=0.1,
        digits=3,
    ),
    Target(_FRAMES + "the gap grows by, p50, ms", added(STREAMED, STREAMS, _p50), most=1),
    Target(_FRAMES + "the gap grows by, p99, ms", added(STREAMED, STREAMS, _p99), most=1),
    Target(
        "10,000 idle connections, MiB",
        lambda results: results.median(HELD, FREEHOLD.name, IDLE, _pss),
        most=300 * 1e6 / MIB,
        digits=0,
    ),
    Target(
        "1,000 routes change: seconds until they are in force",
        lambda results: results.median(CHANGED, FREEHOLD.name, ROUTES, lambda one: one.seconds),
        most=1,
    ),
    Target(
        "1,000 routes change: failed requests",
        lambda results: results.median(CHANGED, FREEHOLD.name, ROUTES, _lost),
        most=0,
    ),
)
