"""Tables of text generation."""

from bench import generation_report
from bench.generation import LLAMACPP
from bench.generation_workloads import FAST, beside_name
from bench.results import Results, Sample


def sample(workload: str, server: str, seconds: float, concurrency: int = 1, **more: float) -> Sample:
    fields = {"items": 100, "cpu_seconds": 0.0, "round": 0, **more}
    return Sample(workload=workload, server=server, concurrency=concurrency, seconds=seconds, **fields)  # type: ignore[arg-type] # numbers


def test_each_rate_stands_beside_its_ratio_to_llama_cpp() -> None:
    """100 tokens in half a second against one second is 200 (2.00); what was not measured stays empty."""
    results = Results(samples=[sample("generate", FAST, 0.5), sample("generate", LLAMACPP.name, 1.0)])
    head, rows = generation_report.table_of(results, "generate")
    assert head[2] == "decode x1"
    assert rows[0][:4] == [FAST, "", "200 (2.00)", ""]
    assert rows[1][2] == "100 (1.00)"


def test_a_guests_prefill_is_compared_with_its_prefill_alone() -> None:
    """Two seconds alone, four beside the streams: half of the speed was kept."""
    name = beside_name(50)
    guest = sample("generate-beside", name, 4.0, 8, cpu_seconds=2.0, p50_s=0.03, p99_s=0.1)
    _, rows = generation_report.table_of(Results(samples=[guest]), "generate-beside")
    assert rows == [[name, "30.0", "100.0", "2.00", "4.00", "0.50"]]
