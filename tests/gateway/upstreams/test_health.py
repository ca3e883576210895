"""When a server counts as down and when it is cast out, at any order of events and at any time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.gateway.upstreams.health import CERTAIN, DOUBTS, LONGEST_S, Ejection, Probed, Terms

TERMS = Terms(failures=3, first_s=5.0)


def unhealthy() -> FreeholdError:
    return FreeholdError("upstream_unhealthy", model="m", status=500)


def cast_out(at: float) -> Ejection:
    """One that three failures ejected."""
    ejection = Ejection(TERMS)
    assert [ejection.failed(at) for _ in range(TERMS.failures)] == [False, False, True]
    return ejection


def test_failures_in_a_row_eject_for_a_time() -> None:
    """A success between them begins the count anew."""
    ejection = Ejection(TERMS)
    for _ in range(5):
        assert not ejection.failed(0.0)
        assert not ejection.failed(0.0)
        ejection.finished()
    ejection = cast_out(10.0)
    assert ejection.ejected
    assert [ejection.admits(now) for now in (10.0, 14.9, 15.0)] == [False, False, True]


def test_answers_that_only_begin_well_end_no_row() -> None:
    """A server that breaks off each of its answers is ejected too."""
    ejection = Ejection(TERMS)
    results = []
    for _ in range(TERMS.failures):
        ejection.answered(0.0)
        results.append(ejection.failed(0.0))
    assert results == [False, False, True]


def test_one_request_tries_it_and_brings_it_back() -> None:
    """While it is under way nobody else is let in; its success lets all in."""
    ejection = cast_out(0.0)
    ejection.took(5.0)
    assert not ejection.admits(5.0)
    assert ejection.answered(5.5)
    assert not ejection.ejected
    assert ejection.admits(5.5)


def test_a_failed_trial_doubles_the_time_up_to_a_bound() -> None:
    """Each in a row; the first one after it was in for long counts as the first again."""
    ejection, now, periods = cast_out(0.0), 0.0, []
    for _ in range(9):
        start = now
        while not ejection.admits(now):
            now += 1.0
        periods.append(now - start)
        ejection.took(now)
        assert ejection.failed(now)
    assert periods == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, *[LONGEST_S] * 3]
    ejection.took(now + LONGEST_S)
    assert ejection.answered(now + LONGEST_S)
    back = now + LONGEST_S
    for at, period in ((back + 1.0, LONGEST_S), (back + 1000.0, 5.0)):
        tried = Ejection(TERMS)
        vars(tried).update(vars(ejection))
        assert [tried.failed(at) for _ in range(3)][-1]
        assert not tried.admits(at + period - 0.1)
        assert tried.admits(at + period)


def test_a_trial_that_nobody_hears_of_is_followed_by_another() -> None:
    """Its client left: after one more such time the next request tries."""
    ejection = cast_out(0.0)
    ejection.took(5.0)
    assert [ejection.admits(now) for now in (9.9, 10.0)] == [False, True]


def test_requests_from_before_fail_late_without_effect() -> None:
    """Ten that were in flight when it was ejected do not keep it out ten times as long."""
    ejection = cast_out(0.0)
    assert not any(ejection.failed(1.0) for _ in range(10))
    assert ejection.admits(5.0)


def test_a_new_process_has_no_past() -> None:
    """It went down and came back: what failed before is forgotten."""
    ejection = cast_out(0.0)
    assert ejection.forget()
    assert ejection.admits(0.1)
    assert not ejection.forget()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["took", "failed", "answered", "finished"]), st.floats(0, 400)), max_size=60))
def test_it_always_returns(events: list[tuple[str, float]]) -> None:
    """Whatever happened: after the longest time a request is let in, and its success closes the circuit."""
    ejection, now = Ejection(TERMS), 0.0
    for event, pause_s in events:
        now += pause_s
        getattr(ejection, event)(*([] if event == "finished" else [now]))
        assert ejection.ejected or ejection.admits(now)
    now += LONGEST_S
    assert ejection.admits(now)
    ejection.took(now)
    ejection.answered(now)
    assert ejection.admits(now)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), min_size=1, max_size=80))
def test_while_out_one_request_a_time_gets_in(requests: list[tuple[bool, float]]) -> None:
    """Of requests that ask first: those let in while it is out are at least the first time apart."""
    ejection, now, last = cast_out(0.0), 0.0, -1.0
    for fails, pause_s in requests:
        now += pause_s
        if not ejection.admits(now):
            continue
        if ejection.ejected:
            assert now - max(last, 0.0) >= TERMS.first_s
            last = now
        ejection.took(now)
        if fails:
            ejection.failed(now)


def test_one_that_is_ready_has_the_benefit_of_the_doubt() -> None:
    """Three failed probes in a row take it out; an answer to a request between them begins the count anew."""
    probed = Probed()
    assert probed.may_be_asked
    assert probed.passed()
    assert not probed.passed()
    for _ in range(4):
        assert not any(probed.failed(unhealthy()) for _ in range(DOUBTS - 1))
        probed.heard()
    assert [probed.failed(unhealthy()) for _ in range(DOUBTS)] == [False, False, True]
    assert not probed.may_be_asked
    assert probed.was_ready
    assert probed.error is not None


@pytest.mark.parametrize("code", sorted(CERTAIN))
def test_what_is_certain_needs_no_second_probe(code: str) -> None:
    """A refused connection or key."""
    probed = Probed()
    probed.passed()
    assert probed.failed(FreeholdError(code, model="m", reason="r", remedy="f", status=401))
    assert not probed.ready


def test_one_that_was_never_ready_goes_down_at_once_and_is_told_once() -> None:
    """There is nothing to give up; its error is the newest."""
    probed = Probed()
    assert probed.failed(unhealthy())
    assert not probed.failed(FreeholdError("upstream_empty", model="m"))
    assert probed.error is not None
    assert probed.error.code == "upstream_empty"
