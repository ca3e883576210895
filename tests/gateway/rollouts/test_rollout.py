"""Rollouts as data: what comes next, by what is seen."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.gateway.rollouts.rollout import (
    Abort,
    Action,
    Finish,
    Limits,
    Raise,
    Reason,
    Replay,
    Rollout,
    Seen,
    Wait,
    decide,
    fault,
    settled_by,
)
from freehold.gateway.rollouts.tally import Counts

AWAY = FreeholdError("model_loading", model="b")


def counts(requests: int = 0, errors: int = 0, refused: int = 0, seconds: float = 0.01) -> Counts:
    """So many answers, of which some failed or were refused."""
    made = Counts()
    for number in range(requests):
        made.note(500 if number < errors else 400 if number < errors + refused else 200, seconds)
    return made


def rollout(**changes: Any) -> Rollout:
    """One from a to b that is running at its first step."""
    known: dict[str, Any] = {"phase": "running", "step": 0, "old": {"a": 100}}
    return Rollout(route="chat", new="b", steps=(5, 50, 100), hold_s=60.0, **{**known, **changes})


def seen(
    new: Counts | None = None, old: Counts | None = None, *, now: float = 100.0, since: float = 0.0, **more: Any
) -> Seen:
    """A step in which `new` and `old` came, all in the last minute."""
    mine, theirs = new or counts(200), old or counts(200)
    return Seen(now, since, (mine, mine), (theirs, theirs), **more)


def reason(action: Action) -> str:
    """The code of why."""
    assert isinstance(action, Wait | Abort)
    return action.reason.code


def test_a_step_that_held_and_was_judged_is_followed_by_the_next() -> None:
    """5, 50 and 100 % in turn, then the end."""
    actions = [decide(rollout(step=step), seen()) for step in (-1, 0, 1, 2)]
    assert actions == [Raise(0), Raise(1), Raise(2), Finish()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"now": 59.0}, "rollout_waits_hold"),
        ({"new": counts(99)}, "rollout_waits_requests"),
        ({"unready": AWAY}, "rollout_waits_ready"),
    ],
)
def test_a_step_lasts_until_it_held_was_judged_and_the_model_is_ready(changes: dict[str, Any], expected: str) -> None:
    """Each of the three makes it wait, and is told."""
    assert reason(decide(rollout(), seen(**changes))) == expected


def test_no_weight_moves_to_a_model_that_is_not_ready() -> None:
    """Not for the first step, and not where a person wishes it."""
    assert reason(decide(rollout(step=-1), seen(unready=AWAY))) == "rollout_waits_ready"
    assert reason(decide(rollout(wish="promote"), seen(unready=AWAY))) == "rollout_waits_ready"
    assert reason(decide(rollout(wish="finish"), seen(unready=AWAY))) == "rollout_waits_ready"


def test_a_model_that_had_everything_and_is_gone_gives_it_back() -> None:
    """Where an old one can answer; with a smaller share the others answer meanwhile, and the step waits."""
    gone: dict[str, Any] = {"unready": AWAY, "replaceable": True}
    for wish in ("", "promote", "finish"):
        assert reason(decide(rollout(step=2, wish=wish), seen(**gone))) == "rollout_lost"
    assert reason(decide(rollout(step=1), seen(**gone))) == "rollout_waits_ready"
    assert reason(decide(rollout(step=2), seen(unready=AWAY))) == "rollout_waits_ready"


def test_goldens_are_replayed_before_every_step() -> None:
    """A step goes up only when they agreed; a difference ends the rollout."""
    assert decide(rollout(goldens=3, step=-1), seen()) == Replay()
    assert decide(rollout(goldens=3), seen()) == Replay()
    assert decide(rollout(goldens=3), seen(replayed=True)) == Raise(1)
    different = FreeholdError("goldens_unanswered", number=2, model="a", reason="x")
    assert decide(rollout(goldens=3), seen(objection=different)) == Abort(different)


def test_a_wish_goes_before_time_and_number_but_not_before_faults() -> None:
    """`promote` is the next step, `finish` the last one; what fails is not promoted."""
    early: dict[str, Any] = {"new": counts(1), "now": 1.0}
    assert decide(rollout(wish="promote"), seen(**early)) == Raise(1)
    assert decide(rollout(wish="finish"), seen(**early)) == Raise(2)
    assert decide(rollout(step=2, wish="promote"), seen(**early)) == Finish()
    assert reason(decide(rollout(wish="promote"), seen(counts(10, errors=5)))) == "rollout_errors"
    assert reason(decide(rollout(wish="abort"), seen(**early))) == "rollout_abort_asked"


def test_errors_end_a_rollout_as_soon_as_they_are_too_many_for_the_least_number() -> None:
    """1 % of 100 requests is one: the second error ends it, were it the second request; one error does not."""
    limits = Limits()
    assert fault(limits, "b", counts(1, errors=1), counts(50)) is None
    found = fault(limits, "b", counts(2, errors=2), counts(50))
    assert found is not None
    assert found.code == "rollout_errors"
    assert "2 of 2 requests" in found.cause
    assert fault(limits, "b", counts(1000, errors=10), counts(50)) is None
    assert fault(limits, "b", counts(1000, errors=11), counts(50)) is not None


def test_an_outage_of_both_models_is_not_the_new_ones_fault() -> None:
    """Where the old model fails as often, the new one may; where it fails much more often, it may not."""
    assert fault(Limits(), "b", counts(200, errors=30), counts(2000, errors=300)) is None
    assert fault(Limits(), "b", counts(200, errors=60), counts(2000, errors=300)) is not None


def test_an_outage_shows_in_the_last_minute_however_long_the_step_lasted() -> None:
    """A million good answers do not hide ten bad ones of now."""
    whole, recent = counts(5000, errors=10), counts(10, errors=10)
    found = decide(rollout(), Seen(100.0, 0.0, (whole, recent), (counts(), counts())))
    assert reason(found) == "rollout_errors"


def test_a_model_that_refuses_what_the_old_one_took_is_no_successor() -> None:
    """4xx are the clients' own doing, unless the two models differ in them."""
    assert fault(Limits(), "b", counts(200, refused=40), counts(200, refused=38)) is None
    found = fault(Limits(), "b", counts(200, refused=80), counts(200, refused=10))
    assert found is not None
    assert found.code == "rollout_refuses"


@pytest.mark.parametrize(
    ("limits", "slow"),
    [
        (Limits(p99_s=0.1), True),
        (Limits(p99_s=0.3), False),
        (Limits(p99_times=1.5), True),
        (Limits(p99_times=3.0), False),
        (Limits(), False),
    ],
)
def test_slow_answers_end_a_rollout_where_a_bound_was_given(limits: Limits, *, slow: bool) -> None:
    """In seconds, or as a multiple of the old model's 99th percentile."""
    found = fault(limits, "b", counts(200, seconds=0.2), counts(200, seconds=0.1))
    assert (found is not None and found.code == "rollout_slow") == slow


def test_too_few_requests_are_not_judged_by_their_latency() -> None:
    """The slowest of three says nothing of a hundred."""
    assert fault(Limits(p99_s=0.1), "b", counts(3, seconds=9.0), counts(200)) is None


def test_the_old_models_share_what_is_left_as_they_did() -> None:
    """The weights of a step keep the proportion of those that are replaced."""
    shared = rollout(old={"a": 60, "c": 40}, step=1)
    assert shared.weights() == {"a": 3000, "c": 2000, "b": 5000}
    assert rollout(phase="done").weights() == {"a": 0, "b": 10000}
    assert rollout(phase="aborted").weights() == {"a": 10000, "b": 0}


def test_a_rollout_that_ended_is_settled_when_the_configuration_says_the_same() -> None:
    """The end that is in force is compared in percents, not in weights; one that moves is never settled."""
    assert settled_by(rollout(phase="done"), {"b": 100, "a": 0})
    assert not settled_by(rollout(phase="done"), {"a": 100})
    assert settled_by(rollout(phase="aborted", old={"a": 60, "c": 40}), {"a": 60, "c": 40})
    assert not settled_by(rollout(), {"a": 95, "b": 5})


def test_a_record_is_the_same_after_it_was_kept() -> None:
    """JSON there and back; a reason keeps its texts."""
    ended = rollout().moved(12.5, "aborted", phase="aborted", reason=Reason.of(AWAY))
    again = msgspec.json.decode(msgspec.json.encode(ended), type=Rollout)
    assert again == ended
    assert again.reason is not None
    assert again.reason.error().cause == AWAY.cause


@given(
    st.lists(
        st.builds(
            seen,
            new=st.builds(counts, st.integers(0, 120), st.integers(0, 2)),
            old=st.just(counts(100)),
            now=st.floats(0, 120),
            unready=st.sampled_from([None, AWAY]),
            replayed=st.booleans(),
        ),
        max_size=25,
    ),
    st.lists(st.sampled_from(["", "", "promote", "finish", "abort"]), min_size=25, max_size=25),
    st.sampled_from([0, 3]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_seen_a_share_only_rises_to_a_model_that_is_ready_and_agreed(
    moments: list[Seen], wishes: list[Any], goldens: int
) -> None:
    """Every rise has a ready model and agreeing goldens before it; an end is final, and an abort leaves nothing."""
    now = rollout(step=-1, goldens=goldens)
    for moment, wish in zip(moments, wishes, strict=False):
        before = now.percent
        action = decide(msgspec.structs.replace(now, wish=wish), moment)
        if isinstance(action, Raise):
            assert moment.unready is None
            assert moment.replayed or not goldens
            now = now.moved(0.0, "raised", step=action.step)
            assert now.percent > before
        elif isinstance(action, Finish):
            assert before == 100
            return
        elif isinstance(action, Abort):
            assert now.moved(0.0, "aborted", phase="aborted").percent == 0
            return
