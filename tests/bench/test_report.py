"""Samples become medians, medians a table, the table goes between the page's markers."""

from pathlib import Path

import pytest

from bench import report, routing
from bench.measure import RAW
from bench.results import Failure, Results, Sample, load
from bench.rows import FULL, QUICK
from bench.targets import TARGETS
from bench.workloads import narrowed, workloads
from bench.wrk import Summary, parse

TITLES = {workload.name: workload.title for workload in workloads(FULL)}


def sample(server: str, cpu_seconds: float, turn: int = 0, **more: float) -> Sample:
    """A hundred texts of thirty tokens at 64 clients."""
    fields = {"items": 100, "tokens": 3000, "seconds": 1.0, "p99_s": 0.2, **more}
    return Sample(workload="minilm", server=server, concurrency=64, round=turn, cpu_seconds=cpu_seconds, **fields)  # type: ignore[arg-type] # numbers


@pytest.fixture
def results() -> Results:
    """Three rounds of ours, one of a peer, one of the limit, and a peer that failed."""
    ours = [sample("Freehold", cpu, turn) for turn, cpu in enumerate((0.5, 0.4, 0.9))]
    others = [sample("Triton tuned", 1.0, p99_s=0.5), sample(RAW, 0.49)]
    return Results(samples=ours + others, failures=[Failure("minilm", "MLServer", "exited with 1:\nmore")])


def verdicts(results: Results) -> dict[str, str]:
    return {target.text: target.verdict(target.measure(results)) for target in TARGETS}


def test_a_target_is_judged_by_the_median_of_its_rounds(results: Results) -> None:
    """Twice Triton's CPU time where 1.6 was promised: met. 1.02 of the limit: met. Not measured says so."""
    found = verdicts(results)
    assert found["MiniLM, concurrency 64: CPU time a text of Triton's python backend, tuned, to ours"] == "met"
    assert found["MiniLM, concurrency 64: CPU time a token, to raw packed ONNX Runtime's"] == "met"
    assert found["MiniLM, concurrency 64: CPU time a text of MLServer's default batching to ours"] == "not measured"


def test_a_missed_target_says_by_how_much(results: Results) -> None:
    """Half of what was promised is missed by 50 %; a refusal where none may be is named."""
    results.samples = [one for one in results.samples if one.server != "Triton tuned"]
    results.samples.append(sample("Triton tuned", 0.4))
    results.samples.append(
        Sample(
            workload="dify-large",
            server="Freehold",
            concurrency=10,
            round=0,
            items=9,
            seconds=1,
            cpu_seconds=1,
            refused=3,
        )
    )
    found = verdicts(results)
    text = "MiniLM, concurrency 64: CPU time a text of Triton's python backend, tuned, to ours"
    assert found[text] == "missed by 50%"
    assert found["Dify's indexing, bge-m3's shape: refusals and time-outs in 10 x 20 requests"] == "missed: 3"


def test_a_table_shows_medians_and_ratios(results: Results) -> None:
    """One line a server: rate, CPU time, how it compares to ours."""
    lines = report.workload_table(results, "minilm").splitlines()
    triton = next(line for line in lines if line.startswith("| Triton tuned"))
    ours = next(line for line in lines if line.startswith("| Freehold (fp32)"))
    assert "python backend, no batching" in triton
    assert "| 10.00 |" in triton
    assert "| 2.00x |" in triton
    assert "| 5.00 |" in ours
    assert ours.endswith("| 1.00x | 125% |")


def test_the_page_keeps_what_stands_around_the_markers(results: Results, tmp_path: Path) -> None:
    """Only what lies between the markers is written again, and a server that failed is named."""
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{report.BEGIN}\noutdated\n{report.END}\n\nBy hand.\n", encoding="utf-8")
    report.write(page, report.render(results, TITLES))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n")
    assert text.endswith("\n\nBy hand.\n")
    assert "outdated" not in text
    assert "- MLServer, minilm: exited with 1:\n" in text


def test_a_page_without_markers_is_an_error(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    with pytest.raises(ValueError, match="has no line"):
        report.write(page, "text")


def test_results_survive_their_file(results: Results, tmp_path: Path) -> None:
    """What was saved is what is loaded."""
    results.save(tmp_path / "deep" / "results.json")
    assert load(tmp_path / "deep" / "results.json") == results


def test_every_target_reads_a_workload_that_is_measured() -> None:
    """With a sample for every row of every workload, no target is left unmeasured."""
    results = Results()
    for workload in workloads(QUICK):
        for row in workload.rows:
            for concurrency in (0, 1, 4, 8, 10, 16, 64, 500, 1000, 10_000):
                fields = {
                    "items": 5,
                    "tokens": 50,
                    "seconds": 1.0,
                    "p50_s": 0.05,
                    "p99_s": 0.1,
                    "pss_bytes": 9,
                    "largest_pss_bytes": 5,
                }
                results.samples += [
                    Sample(
                        workload=name,
                        server=row.server,
                        concurrency=concurrency,
                        round=0,
                        cpu_seconds=1.0,
                        **fields,
                    )  # type: ignore[arg-type] # numbers
                    for name in (workload.name, f"{workload.name}-prefill", routing.ALONE, routing.BUSY)
                ]
    assert [text for text, verdict in verdicts(results).items() if verdict == "not measured"] == []


def test_a_run_can_be_narrowed_to_workloads_and_servers() -> None:
    """Names of servers are matched by how they begin, whatever their case."""
    (only,) = narrowed(workloads(QUICK), ["tensor16"], ["triton", "free"])
    assert [row.server for row in only.rows] == ["Freehold", "Triton tuned"]


def test_wrks_result_is_the_line_that_says_so() -> None:
    """Its own table is passed over; without the line, what it printed is shown."""
    line = 'RESULT {"requests": 7, "seconds": 1.0, "p50_s": 0.1, "p99_s": 0.2, "failed": 1}'
    assert parse(f"Running 1s test\n{line}\n") == Summary(7, 1.0, 0.1, 0.2, 1)
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:9")
    with pytest.raises(ValueError, match="cannot be read"):
        parse('RESULT {"requests"')
