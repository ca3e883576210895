"""Answers of the routes that are watched, counted in slices of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.gateway.rollouts.tally import SLICES, Counts, Tally


def test_only_what_is_watched_is_counted() -> None:
    """Before `begin` and after `end` nothing is; another `begin` starts from nothing."""
    tally = Tally()
    tally.note("chat", "a", 200, 0.1)
    assert tally.whole("chat", "a").requests == 0
    tally.begin("chat")
    tally.note("chat", "a", 200, 0.1)
    tally.note("other", "a", 200, 0.1)
    assert tally.whole("chat", "a").requests == 1
    tally.begin("chat")
    assert tally.whole("chat", "a").requests == 0
    tally.end("chat")
    tally.note("chat", "a", 200, 0.1)
    assert tally.whole("chat", "a").requests == 0


def test_failures_refusals_and_departures_are_told_apart() -> None:
    """5xx and no answer are errors, 4xx are refusals, a client that left is nobody's fault."""
    tally = Tally()
    tally.begin("chat")
    for status in (200, 500, 503, 0, 400, 429, 499):
        tally.note("chat", "b", status, 0.1)
    counts = tally.whole("chat", "b")
    assert (counts.requests, counts.errors, counts.refused) == (6, 3, 2)
    assert (counts.error_rate, counts.refused_rate) == (0.5, 1 / 3)


def test_the_recent_past_forgets_and_the_whole_does_not() -> None:
    """After all slices have turned, what came before is only in the whole."""
    tally = Tally()
    tally.begin("chat")
    tally.note("chat", "a", 500, 0.1)
    for _ in range(SLICES - 1):
        tally.turn()
    assert tally.recent("chat", "a").errors == 1
    tally.turn()
    tally.note("chat", "a", 200, 0.2)
    assert (tally.recent("chat", "a").requests, tally.recent("chat", "a").errors) == (1, 0)
    assert (tally.whole("chat", "a").requests, tally.whole("chat", "a").errors) == (2, 1)


def test_models_are_counted_apart_and_added_on_request() -> None:
    """The old side of a rollout may be several models."""
    tally = Tally()
    tally.begin("chat")
    tally.note("chat", "a", 200, 0.1)
    tally.note("chat", "c", 500, 0.1)
    both = tally.whole("chat", "a", "c", "absent")
    assert (both.requests, both.errors) == (2, 1)
    assert tally.whole("chat", "a").errors == 0


def test_nothing_has_no_quantile_and_no_rate() -> None:
    """Before the first answer there is no latency."""
    assert Counts().p99_s is None
    assert Counts().error_rate == 0.0


@given(st.lists(st.floats(0.0002, 1000.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_near_the_true_one(seconds: list[float], share: float) -> None:
    """Within five in a hundred of the value that so many of the answers do not exceed."""
    counts = Counts()
    for one in seconds:
        counts.note(200, one)
    ranked = sorted(seconds)
    true = ranked[min(len(ranked) - 1, max(0, -int(-share * len(ranked) // 1) - 1))]
    assert counts.quantile_s(share) == pytest.approx(true, rel=0.05)
