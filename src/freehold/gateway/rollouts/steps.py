"""The way of each rollout through its steps: what is seen of it now, and the record that follows from that."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from freehold.config import Config
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.ledger import Numbers, Progress
from freehold.gateway.rollouts.replay import Ask, Recorded, replay
from freehold.gateway.rollouts.rollout import (
    Abort,
    Action,
    Event,
    Finish,
    Raise,
    Reason,
    Replay,
    Rollout,
    Seen,
    Wait,
    decide,
    settled_by,
)
from freehold.gateway.rollouts.spaces import Sight, Spaces, Unknown
from freehold.gateway.rollouts.tally import Counts, Tally
from freehold.gateway.routing.table import RouteTable

log = logging.getLogger(__name__)

REPLAYED_AGAIN_S = 5.0  # after goldens that could not be replayed


@dataclass(frozen=True)
class World:
    """What a rollout is judged by. `recording` blocks: it is called in a thread; clocks are in seconds."""

    sight: Callable[[str], Sight | None]
    ask: Ask
    recording: Callable[[str], Sequence[Recorded]]
    tally: Tally
    spaces: Spaces
    clock: Callable[[], float]  # never goes back
    wall: Callable[[], float]  # the time of day


@dataclass
class _Step:
    """What a restart forgets of a step, which then begins anew."""

    place: tuple[float, int]
    since: float
    met: bool = False  # whether the new model could answer since this process looks at it
    replaying: "asyncio.Task[FreeholdError | None] | None" = None
    replayed: bool = False
    not_before: float = 0.0  # the next replay
    objection: FreeholdError | None = None
    waits: FreeholdError | None = None


class Steps:
    """All rollouts of a gateway, on their way. Used from the event loop's thread only."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._steps: dict[str, _Step] = {}

    def next(self, rollout: Rollout, config: Config, written: RouteTable) -> Rollout:
        """The record that follows, the same one where nothing is due. `written`: the table of `config` alone."""
        if rollout.settled:
            return self._left(rollout)
        if rollout.is_over:
            return self._over(self._left(rollout), config, written)
        step = self._step(rollout)
        if rollout.phase == "asked":
            return self._begun(rollout, step, config, written)
        try:
            check_alive(rollout, config, written)
        except FreeholdError as error:
            action: Action = Abort(error)
        else:
            action = decide(rollout, self._seen(rollout, step))
        return self._acted(rollout, step, action)

    def enter(self, rollout: Rollout) -> None:
        """Its step begins now, before its first request: a model that is broken may soon be given no more."""
        if not rollout.is_over:
            self._step(rollout).met = rollout.step >= 0  # it was ready when it was raised

    def progress(self, rollout: Rollout) -> Progress | None:
        """How its step goes; None where nothing moves any more."""
        step = self._steps.get(rollout.route)
        if step is None or step.place != rollout.place:
            return None
        whole = self._world.tally.whole
        new, old = whole(rollout.route, rollout.new), whole(rollout.route, *rollout.old)
        waits = None if step.waits is None else Reason.of(step.waits)
        return Progress(rollout.place, waits, _numbers(new), _numbers(old))

    def forget(self, kept: Iterable[str]) -> None:
        """Only the routes of `kept` have a record still."""
        for route in self._steps.keys() - set(kept):
            self._forget(route)

    async def close(self) -> None:
        """Replay nothing any more."""
        replaying = [step.replaying for step in self._steps.values() if step.replaying is not None]
        for task in replaying:
            task.cancel()
        await asyncio.gather(*replaying, return_exceptions=True)

    def _left(self, rollout: Rollout) -> Rollout:
        self._forget(rollout.route)
        return rollout

    def _forget(self, route: str) -> None:
        step = self._steps.pop(route, None)
        if step is not None and step.replaying is not None:
            step.replaying.cancel()
        self._world.tally.end(route)

    def _step(self, rollout: Rollout) -> _Step:
        """What is known of its step; of one that was not seen before, nothing but that it begins."""
        step = self._steps.get(rollout.route)
        if step is None or step.place != rollout.place:
            self._forget(rollout.route)
            step = self._steps[rollout.route] = _Step(rollout.place, self._world.clock())
            self._world.tally.begin(rollout.route)
        return step

    def _begun(self, rollout: Rollout, step: _Step, config: Config, written: RouteTable) -> Rollout:
        """Begin what was asked for, refuse it, or wait until it can be told which."""
        if rollout.wish == "abort":
            return self._moved(rollout, "refused", FreeholdError("rollout_abort_asked"), phase="refused")
        try:
            old = rollout.old or replaced(rollout, config, written)
            unknown = [model for model in old if self._unknown(model, rollout.new)]
        except FreeholdError as error:
            return self._moved(rollout, "refused", error, phase="refused")
        if unknown:
            step.waits = FreeholdError("spaces_unknown", old=", ".join(unknown), new=rollout.new)
            return rollout
        return self._moved(rollout, "begun", phase="running", old=old)

    def _unknown(self, old: str, new: str) -> bool:
        """Whether it cannot be told yet that both share a space. Raises why they do not, and that one does nothing of
        what the other does.

        Models that do not say that they embed are compared where both answer: an old one that is dead can be replaced.
        """
        sights = [self._world.sight(model) for model in (old, new)]
        mine, theirs = (set() if sight is None else set(sight.abilities) for sight in sights)
        if mine and theirs and mine.isdisjoint(theirs):
            said = {"abilities": ", ".join(sorted(mine)), "others": ", ".join(sorted(theirs))}
            raise FreeholdError("rollout_unlike", old=old, new=new, **said)
        found = self._world.spaces.compared(old, new)
        if isinstance(found, FreeholdError):
            raise found
        both_ready = all(sight is not None and sight.error is None for sight in sights)
        return isinstance(found, Unknown) and (found.likely or both_ready)

    def _seen(self, rollout: Rollout, step: _Step) -> Seen:
        world = self._world
        sight = world.sight(rollout.new)
        unready = FreeholdError("model_loading", model=rollout.new) if sight is None else sight.error
        if unready is not None:
            step.since = world.clock()  # it is held for as long as it could answer
        step.met |= unready is None
        self._collect(step)
        if step.objection is None:
            compared = (world.spaces.compared(model, rollout.new) for model in rollout.old)
            step.objection = next((found for found in compared if isinstance(found, FreeholdError)), None)
        route, new, old = rollout.route, rollout.new, tuple(rollout.old)
        return Seen(
            world.clock(),
            step.since,
            (world.tally.whole(route, new), world.tally.recent(route, new)),
            (world.tally.whole(route, *old), world.tally.recent(route, *old)),
            unready,
            self._is_replaceable(rollout, step, unready),
            step.replayed,
            step.objection,
        )

    def _is_replaceable(self, rollout: Rollout, step: _Step, unready: FreeholdError | None) -> bool:
        """Whether an old model can do what the new one, which is `unready`, will not do by itself: after a restart of
        this process both may load."""
        if unready is None or (unready.code == "model_loading" and not step.met):
            return False
        sights = map(self._world.sight, rollout.old)
        return any(sight is not None and sight.error is None for sight in sights)

    def _collect(self, step: _Step) -> None:
        """The result of a replay that has ended."""
        if step.replaying is None or not step.replaying.done():
            return
        task, step.replaying = step.replaying, None
        try:
            step.objection = task.result()
            step.replayed = step.objection is None
        except FreeholdError as error:
            step.waits, step.not_before = error, self._world.clock() + REPLAYED_AGAIN_S

    def _acted(self, rollout: Rollout, step: _Step, action: Action) -> Rollout:
        match action:
            case Wait(reason):
                step.waits = reason
                return rollout
            case Replay():
                self._replay(rollout, step)
                return rollout
            case Raise(number):
                return self._moved(rollout, "raised", step=number)
            case Finish():
                return self._moved(rollout, "done", phase="done")
            case Abort(reason):
                return self._moved(rollout, "aborted", reason, phase="aborted")

    def _replay(self, rollout: Rollout, step: _Step) -> None:
        """Have the goldens replayed, against the old model with the largest share."""
        if step.replaying is not None or self._world.clock() < step.not_before:
            return
        step.waits = FreeholdError("rollout_waits_goldens", goldens=rollout.goldens)
        old = max(rollout.old, key=lambda model: rollout.old[model])

        async def replayed() -> FreeholdError | None:
            requests = await asyncio.to_thread(self._world.recording, rollout.route)
            return await replay(requests, old, rollout.new, self._world.ask)

        step.replaying = asyncio.create_task(replayed())

    def _over(self, rollout: Rollout, config: Config, written: RouteTable) -> Rollout:
        """A rollout that ended goes back when that is wished, and has its say until the configuration says the same."""
        if rollout.wish == "abort" and rollout.phase == "done":
            return self._moved(rollout, "aborted", FreeholdError("rollout_abort_asked"), phase="aborted")
        if rollout.wish:
            return msgspec.structs.replace(rollout, wish="")
        route = written.routes.get(rollout.route)
        shares = {} if route is None else {variant.id: variant.percent for variant in route.variants}
        if rollout.has_say and (route is None or settled_by(rollout, shares)):
            return self._moved(rollout, "settled", settled=True)
        return rollout

    def _moved(self, rollout: Rollout, what: Event, error: FreeholdError | None = None, **changes: Any) -> Rollout:
        reason = None if error is None else Reason.of(error)
        return rollout.moved(self._world.wall(), what, reason=reason, **changes)


def replaced(rollout: Rollout, config: Config, written: RouteTable) -> dict[str, int]:
    """By model, the percents that `rollout` takes over. Raises why it cannot begin."""
    route = written.routes.get(rollout.route)
    if route is None:
        raise FreeholdError("rollout_route_unknown", route=rollout.route, known=written.listed())
    model = config.model(rollout.new)
    if model is None:
        known = ", ".join(one.id for one in config.models) or "none"
        raise FreeholdError("rollout_model_unknown", model=rollout.new, known=known)
    if route.locality is not None and model.locality != route.locality:
        raise FreeholdError(
            "rollout_locality",
            route=route.name,
            model=model.id,
            locality=route.locality,
            found=model.locality or "none",
        )
    old = {variant.id: variant.percent for variant in route.variants if variant.percent and variant.id != rollout.new}
    if not old:
        raise FreeholdError("rollout_whole_already", route=route.name, model=model.id)
    return old


def check_alive(rollout: Rollout, config: Config, written: RouteTable) -> None:
    """Raises where the configuration that is in force now lacks what the rollout is about."""
    if rollout.route not in written.routes:
        raise FreeholdError("rollout_route_unknown", route=rollout.route, known=written.listed())
    present = {model.id for model in config.models}
    if rollout.new not in present or present.isdisjoint(rollout.old):
        lacking = rollout.new if rollout.new not in present else ", ".join(rollout.old)
        raise FreeholdError("rollout_model_unknown", model=lacking, known=", ".join(sorted(present)) or "none")


def _numbers(counts: Counts) -> Numbers:
    p99 = counts.p99_s
    return Numbers(counts.requests, counts.errors, counts.refused, None if p99 is None else round(1000 * p99, 3))
