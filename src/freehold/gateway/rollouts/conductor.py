"""Moves the rollouts of a running gateway: looks at what is wished, ready and answered, writes it down, then acts.

What is written comes first, so that a gateway that is killed at any moment goes on where the file says. Only an end is
acted upon even where the disk takes no writing: a bad version must lose its share all the same.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from freehold.config import Config
from freehold.errors import FreeholdError
from freehold.gateway.recurring import recurring
from freehold.gateway.rollouts.ledger import Change, Ledger
from freehold.gateway.rollouts.replay import Ask
from freehold.gateway.rollouts.rollout import WHOLE, Rollout
from freehold.gateway.rollouts.spaces import Sight, Spaces, Unknown
from freehold.gateway.rollouts.steps import Steps, World
from freehold.gateway.rollouts.tally import SLICE_S, Tally
from freehold.gateway.routing.table import ModelRoute, RouteTable, Weights, percents
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)

TICK_S = 0.25
NOTED_S = 1.0  # between two words of how a step goes

Adopt = Callable[[Config, Weights], None]


class Conductor:
    """The rollouts of one gateway. Used from the event loop's thread only.

    `sight` tells what is known of a model, `ask` has one answer, `adopt` puts a configuration and weights into force;
    `clock` never goes back, `wall` is the time of day, both in seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        config: Config,
        adopt: Adopt,
        sight: Callable[[str], Sight | None],
        ask: Ask,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self.weights: Weights = MappingProxyType({})
        self.barred: Mapping[str, Mapping[str, FreeholdError]] = {}
        """By route, models of its own that get nothing, and why: their vectors are of another space."""
        self.problems: Mapping[str, FreeholdError] = {}
        """What keeps rollouts from moving, by its text: a disk that takes no writing, a record that is damaged."""
        self._ledger = ledger
        self._config = config
        self._adopt = adopt
        self._telemetry = telemetry
        self._clock = clock
        self._spaces = Spaces(ask, sight, clock)
        self._steps = Steps(World(sight, ask, ledger.recording, self.tally, self._spaces, clock, wall))
        self._rollouts: Mapping[str, Rollout] = {}
        self._unwritten: dict[str, Rollout] = {}  # ends that the disk did not take
        self._written = RouteTable.of(config)
        self._shared = _shared(self._written)
        self._shown: object = None
        self._turned_at = self._noted_at = clock()

    def take(self, config: Config) -> None:
        """Serve by another configuration. What `adopt` raises leaves everything as it was."""
        written = RouteTable.of(config)
        shared = _shared(written)
        barred = self._barring(shared)
        weights = _weights(self._rollouts.values(), barred, config, written)
        self._adopt(config, weights)
        self._config, self._written, self._shared = config, written, shared
        self.weights, self.barred = weights, barred
        self._measure()

    def troubles(self) -> list[FreeholdError]:
        """What a person should know: models that get no weight, and what keeps rollouts from moving."""
        barred = [error for models in self.barred.values() for error in models.values()]
        return [*{error.cause: error for error in barred}.values(), *self.problems.values()]

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts, rollouts move; what the files say is in force from its first moment."""
        await self.tick()
        try:
            async with recurring(self.tick, TICK_S, "rollouts_broke"):
                yield
        finally:
            await self._steps.close()
            await self._spaces.close()
            self._ledger.retire()

    async def tick(self) -> None:
        """Look at every rollout once, and do what is due."""
        problems: list[FreeholdError] = []
        try:
            conducts = await asyncio.to_thread(self._ledger.conduct)
        except FreeholdError as error:
            conducts = False
            problems.append(error)
        found, damaged = await asyncio.to_thread(self._ledger.all)
        problems += damaged
        if conducts:
            found = [await self._advanced(rollout, problems) for rollout in found]
            self._steps.forget(rollout.route for rollout in found)
            await self._note(found, problems)
        self._complain(problems)
        self._turn()
        self._rollouts = {rollout.route: rollout for rollout in found}
        self._apply()

    async def _advanced(self, found: Rollout, problems: list[FreeholdError]) -> Rollout:
        """The record as it is from now on: written, or as it was; of one that ends, ended in any case."""
        after = self._unwritten.get(found.route)
        if after is None or after.asked_at != found.asked_at:  # its record was taken away, and another rollout begun
            after = self._steps.next(found, self._config, self._written)
        if after == found:
            return found
        try:
            kept = await asyncio.to_thread(self._ledger.change, found.route, _swap(found, after))
        except FreeholdError as error:
            problems.append(error)
            if not after.is_over:
                return found
            self._unwritten[found.route] = after
            return after
        self._unwritten.pop(found.route, None)
        if kept == after:
            self._steps.enter(after)
            if after.history[-1:] != found.history[-1:]:
                _log_move(after)
        return kept

    async def _note(self, found: Iterable[Rollout], problems: list[FreeholdError]) -> None:
        """Leave word for `freehold rollout status`."""
        if self._clock() - self._noted_at < NOTED_S:
            return
        self._noted_at = self._clock()
        for rollout in found:
            progress = self._steps.progress(rollout)
            if progress is not None:
                try:
                    await asyncio.to_thread(self._ledger.note, rollout.route, progress)
                except FreeholdError as error:
                    problems.append(error)

    def _turn(self) -> None:
        if self._clock() - self._turned_at >= SLICE_S:
            self._turned_at = self._clock()
            self.tally.turn()

    def _apply(self) -> None:
        """Put the weights that follow into force, where they are others."""
        barred = self._barring(self._shared)
        for route, model in ((route, model) for route, models in barred.items() for model in models):
            if model not in self.barred.get(route, {}):
                error = barred[route][model]
                log.error("variant_barred", extra={"route": route, "model": model, "cause": error.cause})
        weights = _weights(self._rollouts.values(), barred, self._config, self._written)
        self.barred = barred
        if weights != self.weights:
            self._adopt(self._config, weights)
            self.weights = weights
        self._measure()

    def _barring(self, shared: Mapping[tuple[str, str], list[str]]) -> dict[str, dict[str, FreeholdError]]:
        """By route, its models whose vectors are of another space than its first one's, or may be."""
        barred: dict[str, dict[str, FreeholdError]] = {}
        for (first, other), routes in shared.items():
            found = self._spaces.compared(first, other)
            if isinstance(found, Unknown):
                found = FreeholdError("spaces_unknown", old=first, new=other) if found.likely else None
            if found is not None:
                for route in routes:
                    barred.setdefault(route, {})[other] = found
        return barred

    def _complain(self, problems: list[FreeholdError]) -> None:
        """Say once what is wrong, for as long as it is."""
        told = {error.cause: error for error in problems}
        for cause in told.keys() - self.problems.keys():
            log.error("rollout_problem", extra={"code": told[cause].code, "cause": cause})
        self.problems = told

    def _measure(self) -> None:
        """Export the weights of routes that share, and the state of rollouts, where they are others."""
        states = {rollout.route: rollout.phase for rollout in self._rollouts.values()}
        shown = (self._written, self.weights, states)
        if shown == self._shown:
            return
        self._shown = shown
        self._telemetry.rollout_state.forget()
        for route, phase in states.items():
            self._telemetry.rollout_state.of(route, phase).set(1.0)
        self._telemetry.route_weight.forget()
        for name, shares in _in_force(self._written, self.weights):
            for model, percent in shares.items():
                self._telemetry.route_weight.of(name, model).set(percent / 100)


def _shared(written: RouteTable) -> dict[tuple[str, str], list[str]]:
    """By pair of models that share routes, the first of them and another: the routes."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for route in written.routes.values():
        first, *others = [variant.id for variant in route.variants if variant.percent] if _shares(route) else [""]
        for other in others:
            pairs.setdefault((first, other), []).append(route.name)
    return pairs


def _shares(route: ModelRoute) -> bool:
    return len(route.variants) > 1


def _weights(
    rollouts: Iterable[Rollout],
    barred: Mapping[str, Mapping[str, FreeholdError]],
    config: Config,
    written: RouteTable,
) -> dict[str, dict[str, int]]:
    """What stands before the configuration's weights. A rollout compares spaces itself, before it begins.

    One whose old models `config` lacks says nothing: the new one would have their share at once.
    """
    known = {model.id for model in config.models}
    weights = {
        route: {one.id: 0 if one.id in models else one.percent for one in written.routes[route].variants}
        for route, models in barred.items()
    }
    saying = [one for one in rollouts if one.has_say and (one.percent == WHOLE or not known.isdisjoint(one.old))]
    return {**weights, **{rollout.route: rollout.weights() for rollout in saying}}


def _in_force(written: RouteTable, weights: Weights) -> Iterator[tuple[str, dict[str, int]]]:
    """The percents of every route with several models, or with a rollout."""
    for route in written.routes.values():
        shares = weights.get(route.name)
        if shares is not None:
            yield route.name, dict(zip(shares, percents(list(shares.values())), strict=True))
        elif len(route.variants) > 1:
            yield route.name, {variant.id: variant.percent for variant in route.variants}


def _swap(before: Rollout, after: Rollout) -> Change:
    """Puts `after` in the place of `before`; what somebody else wrote meanwhile stays, and is looked at next."""

    def change(found: Rollout | None) -> Rollout:
        if found is None:
            raise FreeholdError("rollout_absent", route=before.route)
        return after if found == before else found

    return change


def _log_move(rollout: Rollout) -> None:
    last = rollout.history[-1]
    facts = {"route": rollout.route, "model": rollout.new, "percent": rollout.percent}
    level = logging.ERROR if last.what in ("aborted", "refused") else logging.INFO
    cause = {} if last.reason is None else {"cause": last.reason.error().cause}
    log.log(level, "rollout_%s", last.what, extra={**facts, **cause})
