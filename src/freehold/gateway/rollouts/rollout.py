"""One model takes the place of others on a route, step by step: where it stands, and what comes next. Pure.

A rollout is data: a record that the command line asks for and the gateway moves. Each step gives the new model a share
of the route's requests, and lasts until it was held for its time and enough requests were judged; before it goes up the
new model must be ready and its goldens must agree with the old model's answers. Too many errors, answers that are too
slow or a golden that differs end it: then the new model has no share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from freehold.errors import FreeholdError
from freehold.gateway.rollouts.tally import Counts
from freehold.gateway.routing.table import percents

Phase = Literal["asked", "running", "done", "aborted", "refused"]
Wish = Literal["", "promote", "finish", "abort"]
Event = Literal["asked", "begun", "raised", "done", "aborted", "refused", "settled"]

WHOLE = 100
SIGMAS = 3.0  # a rate within so many standard deviations of the old model's may be chance
LONGEST_HISTORY = 100

# what a record may hold: somebody may have edited it
Share = Annotated[int, Meta(ge=1, le=WHOLE)]
_Steps = Annotated[tuple[Share, ...], Meta(min_length=1, max_length=WHOLE)]
Moment = Annotated[float, Meta(ge=0, le=253402300799)]  # the last one that has a date, which is in the year 9999
Positive = Annotated[float, Meta(gt=0)]


class Reason(msgspec.Struct, frozen=True):
    """Why something is as it is: an error of the house, in a form that can be kept."""

    code: str
    details: dict[str, str | int | float] = {}

    def __post_init__(self) -> None:
        """Raises ValueError where it is no error of the house, or lacks a detail of its texts."""
        try:
            self.error()
        except (LookupError, ValueError) as failure:
            raise ValueError(f"no reason has the code {self.code} and these details: {failure}") from None

    @classmethod
    def of(cls, error: FreeholdError) -> "Reason":
        """The reason that `error` tells."""
        details = {
            name: value if isinstance(value, str | int | float) else str(value) for name, value in error.details.items()
        }
        return cls(error.code, details)

    def error(self) -> FreeholdError:
        """The error, with its texts."""
        return FreeholdError(self.code, **self.details)


class Happened(msgspec.Struct, frozen=True):
    """One line of a rollout's history. `at`: wall clock, seconds; `percent`: the new model's share from then on."""

    at: Moment
    what: Event
    percent: Annotated[int, Meta(ge=0, le=WHOLE)]
    reason: Reason | None = None


class Limits(msgspec.Struct, frozen=True):
    """What the new model must keep to. `errors` is a share, 0 to 1; a p99 is bounded in seconds or by the old one's."""

    errors: Annotated[float, Meta(ge=0, le=1)] = 0.01
    p99_s: Positive | None = None
    p99_times: Positive | None = None
    requests: Annotated[int, Meta(ge=1)] = 100


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout of `new` on `route`. `old`: by model, the percent that each of the others had when it began.

    `old` is empty before it has begun. `settled`: it is over, and the configuration says the same or somebody cleared
    it; it has no say any more.
    """

    route: str
    new: str
    steps: _Steps
    hold_s: Annotated[float, Meta(ge=0)]
    asked_at: Moment = 0.0  # wall clock, seconds: which of the rollouts on this route it is
    limits: Limits = Limits()
    goldens: Annotated[int, Meta(ge=0)] = 0  # requests that are replayed before each step
    old: dict[str, Share] = {}
    phase: Phase = "asked"
    step: Annotated[int, Meta(ge=-1)] = -1  # which of `steps` is in force; -1: none yet
    wish: Wish = ""
    settled: bool = False
    reason: Reason | None = None  # of its end
    history: tuple[Happened, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where it does not agree with itself."""
        if self.step >= len(self.steps):
            raise ValueError(f"step {self.step + 1} of {len(self.steps)}")
        if self.phase == "running" and (not self.old or self.new in self.old):
            raise ValueError(f"it runs, and {self.new} takes the place of {', '.join(self.old) or 'none'}")

    @property
    def percent(self) -> int:
        """The new model's share now."""
        if self.phase == "done":
            return WHOLE
        return self.steps[self.step] if self.phase == "running" and self.step >= 0 else 0

    @property
    def place(self) -> tuple[float, int]:
        """Which step of which rollout it is at."""
        return self.asked_at, self.step

    @property
    def is_over(self) -> bool:
        """Whether it moves no more."""
        return self.phase in ("done", "aborted", "refused")

    @property
    def has_say(self) -> bool:
        """Whether it stands before the weights of the configuration: from its beginning, or from that of an earlier one
        which it came upon, until it is settled."""
        return bool(self.old) and not self.settled

    def weights(self) -> dict[str, int]:
        """By model, the weight on the route: the others share what the new one leaves as they did before."""
        shares = {model: percent * (WHOLE - self.percent) for model, percent in self.old.items()}
        return {**shares, self.new: self.percent * sum(self.old.values())}

    def moved(self, at: float, what: Event, *, reason: Reason | None = None, **changes: object) -> "Rollout":
        """The record after an event, which its history tells; a wish is fulfilled by it."""
        after = msgspec.structs.replace(self, **{"wish": "", "reason": reason or self.reason, **changes})
        line = Happened(at, what, after.percent, reason)
        return msgspec.structs.replace(after, history=(*self.history, line)[-LONGEST_HISTORY:])


@dataclass(frozen=True)
class Seen:
    """What is known at one moment. `now` and the step's beginning are seconds of one clock that never goes back.

    `new` and `old` are pairs: the answers since the step began, and those of the last minute.
    """

    now: float
    since: float
    new: tuple[Counts, Counts]
    old: tuple[Counts, Counts]
    unready: FreeholdError | None = None  # why the new model cannot answer
    replaceable: bool = False  # whether it is not just loading for the first time, and an old model can answer
    replayed: bool = False  # whether the goldens of this step were found to agree
    objection: FreeholdError | None = None  # a golden that differs


@dataclass(frozen=True)
class Wait:
    """Nothing moves, and why."""

    reason: FreeholdError


@dataclass(frozen=True)
class Replay:
    """The goldens are to be replayed before it goes on."""


@dataclass(frozen=True)
class Raise:
    """On to this step."""

    step: int


@dataclass(frozen=True)
class Finish:
    """The last step has held."""


@dataclass(frozen=True)
class Abort:
    """Back to nothing, and why."""

    reason: FreeholdError


Action = Wait | Replay | Raise | Finish | Abort


def decide(rollout: Rollout, seen: Seen) -> Action:
    """What comes next in a rollout that is running."""
    if rollout.wish == "abort":
        return Abort(FreeholdError("rollout_abort_asked"))
    if seen.objection is not None:
        return Abort(seen.objection)
    if rollout.step >= 0:
        for new, old in zip(seen.new, seen.old, strict=True):
            if (found := fault(rollout.limits, rollout.new, new, old)) is not None:
                return Abort(found)
        if rollout.percent == WHOLE and seen.unready is not None and seen.replaceable:
            return Abort(FreeholdError("rollout_lost", model=rollout.new, reason=seen.unready.cause))
        if rollout.wish == "" and (reason := _not_yet(rollout, seen)) is not None:
            return Wait(reason)
    last = len(rollout.steps) - 1
    if rollout.step == last:
        return Finish()
    if seen.unready is not None:
        return Wait(FreeholdError("rollout_waits_ready", model=rollout.new, reason=seen.unready.cause))
    if rollout.goldens and not seen.replayed:
        return Replay()
    return Raise(last if rollout.wish == "finish" else rollout.step + 1)


def fault(limits: Limits, model: str, new: Counts, old: Counts) -> FreeholdError | None:
    """What is wrong with the new model's answers, or None.

    It is judged by what it has done so far: as soon as it failed more often than the least number of requests may, no
    further request need fail. Where the old model fails too, the new one may fail as often, and by chance more often.
    """
    least = limits.requests
    known = old.requests >= least
    tolerated = max(limits.errors, _by_chance(old.error_rate, max(new.requests, least)) if known else 0.0)
    if new.errors > tolerated * max(new.requests, least):
        return FreeholdError(
            "rollout_errors",
            model=model,
            errors=new.errors,
            requests=new.requests,
            rate=_percent(new.error_rate),
            before=_percent(old.error_rate),
            allowed=_percent(tolerated),
        )
    if new.requests < least:
        return None
    if known and new.refused_rate > limits.errors + _by_chance(old.refused_rate, new.requests):
        return FreeholdError(
            "rollout_refuses",
            model=model,
            refused=new.refused,
            requests=new.requests,
            rate=_percent(new.refused_rate),
            before=_percent(old.refused_rate),
        )
    return _slow(limits, model, new, old if known else None)


def settled_by(rollout: Rollout, written: Mapping[str, int]) -> bool:
    """Whether a rollout that ended need have no say any more, since the configuration gives the same percents."""
    shares = {model: weight for model, weight in rollout.weights().items() if weight}
    wanted = dict(zip(shares, percents(list(shares.values())), strict=True)) if shares else {}
    return rollout.is_over and wanted == {model: percent for model, percent in written.items() if percent}


def _not_yet(rollout: Rollout, seen: Seen) -> FreeholdError | None:
    """Why a step in which nothing is wrong has to last."""
    if seen.unready is not None:
        return FreeholdError("rollout_waits_ready", model=rollout.new, reason=seen.unready.cause)
    if (left := rollout.hold_s - (seen.now - seen.since)) > 0:
        return FreeholdError("rollout_waits_hold", seconds=max(1, round(left)))
    judged, least = seen.new[0].requests, rollout.limits.requests
    if judged < least:
        return FreeholdError("rollout_waits_requests", model=rollout.new, requests=judged, least=least)
    return None


def _slow(limits: Limits, model: str, new: Counts, old: Counts | None) -> FreeholdError | None:
    p99, before = new.p99_s, old.p99_s if old is not None else None
    bounds = [limits.p99_s] if limits.p99_s is not None else []
    if limits.p99_times is not None and before is not None:
        bounds.append(limits.p99_times * before)
    if p99 is None or not bounds or p99 <= min(bounds):
        return None
    return FreeholdError(
        "rollout_slow",
        model=model,
        p99_ms=_milliseconds(p99),
        before_ms="-" if before is None else _milliseconds(before),
        allowed_ms=_milliseconds(min(bounds)),
        requests=new.requests,
    )


def _by_chance(rate: float, requests: int) -> float:
    """The highest rate that `requests` of a model show by chance whose true rate is `rate` (normal approximation)."""
    return rate + SIGMAS * sqrt(rate * (1.0 - rate) / requests)


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"
