"""The tables of text generation: tokens a second of every runtime, and what they are by llama.cpp's."""

from collections.abc import Sequence
from statistics import median

from bench import proxy
from bench.generation import LLAMACPP, STREAMS
from bench.results import Results

Table = tuple[Sequence[str], list[list[str]]]

DECODES = ("generate", "generate-4b")
WORKLOADS = (*DECODES, "generate-prefix", "generate-lookup", "generate-beside", proxy.WORKLOAD)


def table_of(results: Results, workload: str) -> Table:
    """Head and rows of one workload."""
    if workload in DECODES:
        return _decode(results, workload)
    if workload == "generate-beside":
        return _beside(results, workload)
    if workload == proxy.WORKLOAD:
        return _passed(results)
    if workload == "generate-prefix":
        head = ("server", "first token p50 ms", "p99 ms", "PSS MiB")
        measures = (lambda s: s.p50_s * 1e3, lambda s: s.p99_s * 1e3, lambda s: s.pss_bytes / 2**20)
    else:
        head = ("server", "tokens/s", "PSS MiB")
        measures = (lambda s: s.rate, lambda s: s.pss_bytes / 2**20)
    rows = []
    for name in results.servers(workload):
        values = [results.median(workload, name, 1, measure) for measure in measures]
        rows.append([name, *(f"{value:,.1f}" for value in values if value is not None)])
    return head, rows


def _decode(results: Results, workload: str) -> Table:
    """Medians in tokens a second, each with its ratio to llama.cpp's and how far its rounds lay apart."""
    head = ("runtime", "prefill 512", *(f"decode x{count}" for count in STREAMS), "memory MiB")
    rows = []
    for name in results.servers(workload):
        places = [(f"{workload}-prefill", 1), *((workload, count) for count in STREAMS)]
        memory = max((s.pss_bytes for s in results.samples if s.server == name and s.workload == workload), default=0)
        cells = [_rate(results, place, name, count) for place, count in places]
        rows.append([name, *cells, f"{memory / 2**20:,.0f}" if memory else ""])
    return head, rows


def _rate(results: Results, workload: str, name: str, count: int) -> str:
    rates = [sample.rate for sample in results.select(workload, name, count)]
    if not rates:
        return ""
    theirs = results.median(workload, LLAMACPP.name, count, lambda sample: sample.rate)
    ratio = f" ({median(rates) / theirs:.2f})" if theirs else ""
    spread = f" ±{(max(rates) / min(rates) - 1) / 2:.0%}" if len(rates) > 1 else ""
    return f"{median(rates):,.0f}{ratio}{spread}"


def _beside(results: Results, workload: str) -> Table:
    head = ("server", "usual gap ms", "p95 gap ms while it enters", "its prefill alone s", "beside s", "kept speed")
    rows = []
    for name in results.servers(workload):
        measures = (lambda s: s.p50_s * 1e3, lambda s: s.p99_s * 1e3, lambda s: s.cpu_seconds, lambda s: s.seconds)
        usual, during, alone, beside = (results.median(workload, name, 8, measure) or 0.0 for measure in measures)
        kept = alone / beside if beside else 0.0
        rows.append([name, f"{usual:.1f}", f"{during:.1f}", f"{alone:.2f}", f"{beside:.2f}", f"{kept:.2f}"])
    return head, rows


def _passed(results: Results) -> Table:
    head = ("way", "first frame p50 ms", "p99 ms", *(f"frames/s, {load.name}" for load in proxy.RATES))
    rows = []
    for name in results.servers(proxy.WORKLOAD):
        p50 = results.median(proxy.WORKLOAD, name, 1, lambda sample: sample.p50_s) or 0.0
        p99 = results.median(proxy.WORKLOAD, name, 1, lambda sample: sample.p99_s) or 0.0
        rates = [results.median(proxy.WORKLOAD, name, load.streams, lambda sample: sample.rate) for load in proxy.RATES]
        rows.append([name, f"{p50 * 1e3:.2f}", f"{p99 * 1e3:.2f}", *(f"{rate or 0.0:,.0f}" for rate in rates)])
    return head, rows
