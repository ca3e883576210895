"""What a scrape says."""

import math
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from freehold.telemetry import Telemetry, names

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def telemetry() -> Telemetry:
    """Instruments that have counted a little of everything."""
    made = Telemetry("1.2.3")
    route = made.route("/v1/embeddings")
    route.observe(200, 0.003)
    route.observe(200, 0.004)
    route.observe(429, 0.001)
    model = made.model('bge "m3"\n')
    model.queue_seconds.observe(0.2)
    model.compute_seconds.observe(0.1)
    model.batch_rows.observe(3)
    model.batch_tokens.observe(200)
    model.tokens.inc(200)
    model.truncated.inc()
    model.in_flight.set(2)
    model.ready.set(1)
    model.load_seconds.set(1.5)
    model.proven("self")
    model.proven("raw")
    model.refused("deadline")
    made.errors.inc("key_wrong")
    made.gauge(names.REQUESTS_IN_FLIGHT, lambda: 7)
    return made


def families(telemetry: Telemetry) -> dict[str, Metric]:
    body, _ = telemetry.exposition()
    return {family.name: family for family in parse_text(body.decode())}


def samples(telemetry: Telemetry) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in families(telemetry).values():
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def test_prometheus_reads_both_formats(telemetry: Telemetry) -> None:
    """Text by default, OpenMetrics when the scraper asks for it; labels may hold anything."""
    text, text_type = telemetry.exposition()
    openmetrics, openmetrics_type = telemetry.exposition(OPENMETRICS)
    assert text_type.startswith("text/plain")
    assert openmetrics_type.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(openmetrics.decode())} == {
        family.name.removesuffix("_total") for family in parse_text(text.decode())
    }


def test_what_was_counted_is_said(telemetry: Telemetry) -> None:
    """Values, labels, buckets."""
    said = list(samples(telemetry))
    model = {"model": 'bge "m3"\n'}
    assert ("freehold_requests_total", {"route": "/v1/embeddings", "status": "200"}, 2.0) in said
    assert ("freehold_requests_total", {"route": "/v1/embeddings", "status": "429"}, 1.0) in said
    assert ("freehold_request_duration_seconds_count", {"route": "/v1/embeddings"}, 3.0) in said
    assert ("freehold_tokens_total", model, 200.0) in said
    assert ("freehold_batch_tokens_bucket", {**model, "le": "256.0"}, 1.0) in said
    assert ("freehold_refused_total", {**model, "reason": "deadline"}, 1.0) in said
    assert ("freehold_errors_total", {"code": "key_wrong"}, 1.0) in said
    assert ("freehold_requests_in_flight", {}, 7.0) in said
    assert ("freehold_build_info", {"version": "1.2.3"}, 1.0) in said


def test_a_route_that_nobody_asked_is_not_exported(telemetry: Telemetry) -> None:
    """Thirty routes with eighteen buckets each would be most of a scrape."""
    telemetry.route("/never")
    assert not any(labels.get("route") == "/never" for _, labels, _ in samples(telemetry))


def test_a_model_is_in_one_state_of_proof(telemetry: Telemetry) -> None:
    """The state it was in before is no longer exported."""
    states = [labels["state"] for name, labels, _ in samples(telemetry) if name == "freehold_model_proof"]
    assert states == ["raw"]


def test_nothing_of_ours_is_said_that_was_not_declared(telemetry: Telemetry) -> None:
    """Dashboards may rely on the table; other names are the process's own."""
    declared = {metric.name.removesuffix("_total") for metric in names.ALL}
    said = {name.removesuffix("_total") for name in families(telemetry) if name.startswith("freehold_")}
    assert said <= declared
    undeclared_gpu = {metric.name for metric in names.ALL if metric.name.startswith("freehold_gpu_")}
    memory = {names.MEMORY_BUDGET_BYTES.name, names.MEMORY_USED_BYTES.name}
    beside = ("freehold_usage_", "freehold_audit_", "freehold_quota_", "freehold_grpc_")  # not in every process
    assert declared - said <= undeclared_gpu | memory | {name for name in declared if name.startswith(beside)}


def test_what_not_every_process_counts_is_exported_once_it_does(telemetry: Telemetry) -> None:
    """Whoever counts it has its series, and a scrape sees them."""
    telemetry.values(names.AUDIT_LINES).of().inc(3)
    assert ("freehold_audit_lines_total", {}, 3.0) in samples(telemetry)


def test_the_process_is_measured_unless_unwanted(telemetry: Telemetry) -> None:
    """Resident memory and CPU time under the names that everybody's dashboards know."""
    said = {name: value for name, _, value in samples(telemetry)}
    assert said["process_resident_memory_bytes"] > 1_000_000
    assert math.isfinite(said["process_cpu_seconds_total"])
    assert not any(name.startswith("process_") for name, _, _ in samples(Telemetry(process=False)))


def test_two_telemetries_do_not_mix() -> None:
    """No module state: a test, or a second app, has instruments of its own."""
    first, second = Telemetry(process=False), Telemetry(process=False)
    first.errors.inc("internal")
    assert "freehold_errors" in families(first)
    assert "internal" not in second.exposition()[0].decode()
