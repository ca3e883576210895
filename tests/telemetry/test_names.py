"""The table of metric names."""

import re

import pytest

from freehold.telemetry import names
from freehold.telemetry.names import ALL, Metric


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_name_follows_prometheus(metric: Metric) -> None:
    """Our prefix, base units, `_total` for counters and nothing else, help as a sentence."""
    assert re.fullmatch(r"freehold_[a-z][a-z0-9_]*[a-z0-9]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|millis|minutes|kb|mb|mib|percent|count|sum|bucket)(_|$)", metric.name)
    assert re.fullmatch(r"[A-Z0-9].*\.", metric.help)
    assert not {"le", "quantile"} & set(metric.labels)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_histograms_alone_have_bounds_and_these_ascend(metric: Metric) -> None:
    """Without +Inf, which is always there."""
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert float("inf") not in metric.bounds


def test_every_declared_metric_is_in_the_list_once() -> None:
    """Dashboards and rules are checked against the list."""
    declared = [value for value in vars(names).values() if isinstance(value, Metric)]
    assert sorted(metric.name for metric in ALL) == sorted({metric.name for metric in declared})


def test_durations_reach_beyond_difys_time_limit() -> None:
    """The 50 s deadline and the 60 s at which Dify gives up are bounds of their own."""
    assert {50.0, 60.0} <= set(names.QUEUE_SECONDS.bounds)
