"""Counters, gauges and histograms of our own say what the client library's would."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as TheirHistogram

from freehold.telemetry.instruments import Histogram, Histograms, Values
from freehold.telemetry.names import Metric

BOUNDS = (0.1, 0.5, 1.0, 2.5)
SECONDS = Metric("freehold_test_seconds", "histogram", "A test.", ("model",), BOUNDS)
TOTAL = Metric("freehold_test_total", "counter", "A test.", ("model", "reason"))


@given(st.lists(st.floats(0, 4) | st.sampled_from(BOUNDS), max_size=30))
def test_a_histogram_counts_as_the_client_library_does(observed: list[float]) -> None:
    """Bucket by bucket, also for values that lie on a bound."""
    ours, theirs = Histogram(BOUNDS), TheirHistogram("x", "x", buckets=BOUNDS, registry=CollectorRegistry())
    for value in observed:
        ours.observe(value)
        theirs.observe(value)
    (family,) = theirs.collect()
    expected = [sample.value for sample in family.samples if sample.name == "x_bucket"]
    buckets, total = ours.cumulated()
    assert [count for _, count in buckets] == expected
    assert buckets[-1] == ("+Inf", len(observed))
    assert total == pytest.approx(sum(observed))


def test_no_count_is_lost_between_threads() -> None:
    """Engine threads and the event loop feed the same series."""
    histogram, values = Histogram(BOUNDS), Values(TOTAL)

    def feed() -> None:
        value = values.of("m", "r")
        for _ in range(5_000):
            histogram.observe(0.3)
            value.inc(2.0)
            value.dec()

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert histogram.cumulated()[0][-1][1] == 20_000
    assert values.of("m", "r").value == 20_000


def test_a_series_is_made_once() -> None:
    """Whoever keeps it and whoever asks again feed the same."""
    values, histograms = Values(TOTAL), Histograms(SECONDS)
    assert values.of("m", "r") is values.of("m", "r")
    assert histograms.of("m") is histograms.of("m")


def test_wrong_labels_are_a_mistake() -> None:
    """At the place that asks, not at the scrape."""
    with pytest.raises(ValueError, match="labels"):
        Values(TOTAL).of("m")
    with pytest.raises(ValueError, match="labels"):
        Histograms(SECONDS).of()


def test_what_is_gone_is_not_exported() -> None:
    """All series of a model, and only of that model."""
    values = Values(TOTAL)
    for labels in (("a", "x"), ("a", "y"), ("b", "x")):
        values.inc(*labels)
    values.forget("a")
    assert [sample.labels for sample in values.family().samples] == [{"model": "b", "reason": "x"}]
    values.inc("a", "x")
    values.forget()
    assert values.family().samples == []
    values.inc("a", "y")
    values.forget("a")
    values.forget("a")
    assert values.family().samples == []
