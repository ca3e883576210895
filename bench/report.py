"""Results as Markdown: one table a workload, one for the targets."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import generation_report, routing_report
from bench.results import Results, Sample
from bench.servers import SERVERS
from bench.targets import TARGETS

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
OURS = "Freehold"
MIB = 1 << 20

Column = tuple[str, Callable[[Sample], float], str]

RATE: Column = ("a second", lambda one: one.rate, "{:,.1f}")
A_MINUTE: Column = ("chunks/min", lambda one: one.rate * 60, "{:,.0f}")
CPU_MS: Column = ("CPU ms each", lambda one: one.cpu_per_item * 1e3, "{:.2f}")
CPU_US: Column = ("CPU us each", lambda one: one.cpu_per_item * 1e6, "{:,.0f}")
CPU_TENTHS: Column = ("CPU us each", lambda one: one.cpu_per_item * 1e6, "{:,.1f}")
CPU_TOKEN: Column = ("CPU us/token", lambda one: one.cpu_per_token * 1e6, "{:,.0f}")
P50: Column = ("p50 ms", lambda one: one.p50_s * 1e3, "{:,.1f}")
P99: Column = ("p99 ms", lambda one: one.p99_s * 1e3, "{:,.1f}")
PSS: Column = ("PSS MiB", lambda one: one.pss_bytes / MIB, "{:,.0f}")
LARGEST: Column = ("largest process MiB", lambda one: one.largest_pss_bytes / MIB, "{:,.0f}")
COSINE: Column = ("cosine", lambda one: one.cosine, "{:.5f}")
LOST: Column = ("refused, timed out, failed", lambda one: one.refused + one.timed_out + one.failed, "{:.0f}")
READY_S: Column = ("seconds", lambda one: one.seconds, "{:.2f}")
READY_CPU: Column = ("CPU seconds", lambda one: one.cpu_seconds, "{:.2f}")

MILLISECONDS: Column = ("ms", lambda one: one.seconds * 1e3, "{:,.1f}")
CHANGED: Column = ("items or bytes changed", lambda one: one.items, "{:,.0f}")
MOVED: Column = ("bytes moved", lambda one: one.tokens, "{:,.0f}")
GAP: Column = ("max abs to raw", lambda one: one.gap, "{:.1e}")

TEXT = (RATE, P50, P99, CPU_MS, CPU_TOKEN, PSS, COSINE, LOST)
CHUNKS = (A_MINUTE, P50, P99, CPU_MS, CPU_TOKEN, PSS, COSINE, LOST)
TENSOR = (RATE, P50, P99, CPU_US, PSS, LOST)
COLUMNS: dict[str, Sequence[Column]] = {
    "minilm": TEXT,
    "dify-small": CHUNKS,
    "dify-small-long": CHUNKS,
    "dify-large": CHUNKS,
    "tensor16": TENSOR,
    "tensor16-grpc": TENSOR,
    "tensor131k": TENSOR,
    "memory": (RATE, P50, CPU_US, PSS, LARGEST, LOST),
    "start": (READY_S, READY_CPU, PSS),
    "convert": (READY_S, READY_CPU, GAP),
    "render": (READY_S, READY_CPU),
    "door": (CPU_TENTHS,),
    "store": (MILLISECONDS, CHANGED, MOVED),
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def workload_table(results: Results, workload: str) -> str:
    """Medians of the rounds, one line a server and concurrency."""
    if workload in generation_report.WORKLOADS:
        return table(*generation_report.table_of(results, workload))
    if workload in routing_report.WORKLOADS:
        return table(*routing_report.table_of(results, workload))
    columns = COLUMNS[workload]
    loads = sorted({one.concurrency for one in results.samples if one.workload == workload})
    settings = {server.name: server.setting for server in SERVERS}
    with_load = len(loads) > 1
    head = [
        "server",
        *(["clients"] if with_load else []),
        *(name for name, _, _ in columns),
        "CPU to ours",
        "CPU spread",
    ]
    rows = []
    for load in loads:
        for server in results.servers(workload):
            samples = results.select(workload, server, load)
            if not samples:
                continue
            cells = [_cell(results, workload, server, load, column) for column in columns]
            setting = settings.get(server)
            label = f"{server} ({setting})" if setting else server
            ratio = _to_ours(results, workload, server, load)
            rows.append([label, *([str(load)] if with_load else []), *cells, ratio, _spread(samples)])
    return table(head, rows)


def _cell(results: Results, workload: str, server: str, load: int, column: Column) -> str:
    _, measure, form = column
    value = results.median(workload, server, load, measure)
    return "" if value is None or value == float("inf") else form.format(value)


def _cpu(sample: Sample) -> float:
    """CPU time by token where texts are counted, so that a run cut short by time compares fairly."""
    return sample.cpu_per_token if sample.tokens else sample.cpu_per_item


def _to_ours(results: Results, workload: str, server: str, load: int) -> str:
    rows = [name for name in results.servers(workload) if name.startswith(OURS)]
    theirs = results.median(workload, server, load, _cpu)
    ours = results.median(workload, OURS if OURS in rows else rows[0], load, _cpu) if rows else None
    return f"{theirs / ours:.2f}x" if theirs is not None and ours and theirs != float("inf") else ""


def _spread(samples: Sequence[Sample]) -> str:
    """How far the rounds lay apart: (largest - smallest) / smallest CPU time."""
    values = [_cpu(one) for one in samples]
    if len(values) < 2 or not min(values) or max(values) == float("inf"):
        return ""
    return f"{max(values) / min(values) - 1:.0%}"


def target_table(results: Results) -> str:
    """Every promised number: wanted, measured, met or by how much missed."""
    rows = []
    for target in TARGETS:
        value = target.measure(results)
        shown = "" if value is None else f"{value:.{target.digits}f}"
        rows.append([target.text, target.wanted(), shown, target.verdict(value)])
    return table(["target", "wanted", "measured", "verdict"], rows)


def render(results: Results, titles: dict[str, str]) -> str:
    """Everything between the page's markers."""
    parts = ["## Targets", target_table(results), "## Measured"]
    for workload, title in titles.items():
        if results.servers(workload):
            parts += [f"### {title}", workload_table(results, workload)]
    if results.failures:
        parts += ["### Not measured"]
        parts += ["\n".join(f"- {one.server}, {one.workload}: {_first_line(one.reason)}" for one in results.failures)]
    parts += ["## Machine and versions"]
    facts = {
        **results.machine,
        **results.settings,
        "versions": ", ".join(f"{k} {v}" for k, v in results.versions.items()),
    }
    parts += ["\n".join(f"- {name}: {value}" for name, value in facts.items() if value)]
    return "\n\n".join(parts) + "\n"


def _first_line(reason: str) -> str:
    return next((line for line in reason.splitlines() if line.strip()), "no reason given")


def write(page: Path, text: str) -> None:
    """Put `text` between the page's markers. Raises ValueError when the page has none."""
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no line {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
