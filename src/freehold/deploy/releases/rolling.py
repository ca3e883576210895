"""One release takes the place of another where services run, without a lost request, or everything is as it was.

Start new beside old, wait until it is ready, ask both the same, move weight step by step and watch, then stop old. What
fails, is interrupted or answers otherwise on the way takes the weight back first, and then stops what was started.
Weight never moves to what is not ready, nor to fewer copies than its share needs; nothing is stopped while it has
weight. The same run again finishes what a killed one left.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from freehold.config import Deploy
from freehold.deploy.releases.probing import differing
from freehold.deploy.releases.staging import WHOLE, added, digest, final, hosts, moves, staged
from freehold.deploy.releases.watching import Scrape, judged
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.told import Readiness, readiness
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Running, Target
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.replay import Recorded

IN_FORCE_S = 30.0
"""How long a gateway may take to take up a file, or to see a server that is ready."""
_POLL_S = 0.25
_LOOK_S = 1.0
_LAST_LINES = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Clock:
    """Time that never goes back, in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


REAL = Clock()


@dataclass(frozen=True)
class Terms:
    """How a rollout is made. `steps` are percents, `step_s` how long each is watched; `recorded`: requests that both
    versions must answer alike, () for the fixed ones, None for none."""

    steps: tuple[int, ...]
    step_s: float
    recorded: tuple[Recorded, ...] | None = ()
    accept_differences: bool = False
    with_gateway: bool = False

    @classmethod
    def of(cls, settings: Deploy) -> "Terms":
        """As the configuration has them; the last step is always the whole."""
        steps = settings.steps if settings.steps[-1] == WHOLE else (*settings.steps, WHOLE)
        return cls(steps, settings.step_s)


class Rolling:
    """The way from `old`, None where nothing is in force, to `new`. Blocks; used once.

    `settled` is called at the one moment from which on `new` is in force and `old` may go; `is_settled` tells whether
    that came, also where `settled` broke off behind it.
    """

    def __init__(
        self,
        target: Target,
        old: Deployment | None,
        new: Deployment,
        terms: Terms,
        settled: Callable[[], None],
        clock: Clock = REAL,
        say: Say = lambda _text: None,
        is_settled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._target = target
        self._old = old
        self._new = new
        self._terms = terms
        self._settled = settled
        self._is_settled = is_settled
        self._clock = clock
        self._say = say
        self._moves = () if old is None else moves(old, new)

    def run(self) -> None:
        """Raises why it came to nothing; then everything is as it was, but for `deploy_stuck`."""
        with ExitStack() as undo:
            undo.callback(lambda: None if self._is_settled() else self.back())
            self._start()
            if self._old is not None:
                self._compare(self._old)
                for percent in self._terms.steps:
                    self._step(self._old, percent)
                self._rest()
            self._replace_gateway()
            self._enforce(final(self._new))
            self._settled()
            undo.pop_all()
        self.clear()

    def back(self) -> None:
        """Weight to the old versions, then stop what is not of theirs. Raises `deploy_stuck`: both run then."""
        try:
            if self._old is not None:
                self._say("taking it back")
                self._start_lacking(self._old, (self._old.gateway,))
                self._enforce(final(self._old))
            self._stop_all_but(self._old)
        except FreeholdError as error:
            raise FreeholdError("deploy_stuck", reason=error.cause, remedy=error.fix) from error
        except KeyboardInterrupt:
            raise FreeholdError("deploy_stuck", reason="that was interrupted, too.", remedy="Let it end.") from None

    def clear(self) -> None:
        """Stop what is not of the new versions, and leave their number to the configuration again."""
        self._stop_all_but(self._new)
        self._target.scale(self._new, self._new.units, {}, 0)

    def _start(self) -> None:
        units = self._new.units
        if self._old is None:
            units = (*units, self._new.gateway)
        else:
            self._start_lacking(self._old, (self._old.gateway,))
            self._enforce(staged(self._old, self._new, 0))  # one that was interrupted may have given it weight
        self._start_lacking(self._new, units)
        self._await_ready(units)

    def _start_lacking(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Start those that are not there, and those that ended."""
        there = {one.host for one in self._target.running() if one.state in ("ready", "starting")}
        lacking = [unit for unit in units if unit.host not in there]
        if lacking:
            self._say(f"starting {', '.join(hosts(lacking))}")
            self._target.start(deployment, lacking)

    def _await_ready(self, units: Sequence[Unit]) -> None:
        """Raises `deploy_unit_failed` and `deploy_unit_slow`, which say which and why."""
        begun = self._clock.now()
        while True:
            running = {one.host: one for one in self._target.running()}
            waiting = [unit for unit in units if not _is_ready(running.get(unit.host))]
            if not waiting:
                return
            for unit in waiting:
                _check_hopeful(unit, running.get(unit.host), self._clock.now() - begun)
            self._say(f"waiting for {', '.join(hosts(waiting))}")
            self._clock.sleep(_LOOK_S)

    def _compare(self, old: Deployment) -> None:
        """Raises how a new version differs from one that answers; of one that does not, nothing can be said."""
        self._await_seen()
        if self._terms.recorded is None:
            return
        ready = {one.host for one in self._target.running() if _is_ready(one)}
        for move in self._moves:
            if move.old.host not in ready:
                self._say(f"{move.model}: the version in force does not answer, so nothing is compared")
                continue
            self._say(f"{move.model}: comparing the answers of both versions")
            found = differing(move, self._terms.recorded, self._target.ask)
            if found is None or (found.code == "goldens_differ" and self._terms.accept_differences):
                continue
            if found.code == "goldens_differ":
                raise FreeholdError("deploy_differs", model=move.model, reason=found.cause)
            raise found  # vectors of another space, or no answer: nothing that could be meant

    def _await_seen(self) -> None:
        """Wait until the gateway, too, finds every new version ready. Raises `deploy_unit_lost` of one that ends."""
        coming = {move.coming for move in self._moves}

        def unseen(told: Readiness) -> str:
            lacking = coming - {model.id for model in told.models if model.state == "ready"}
            if lacking:
                self._check_alive()
            return ", ".join(sorted(lacking))

        self._await_gateway(unseen)

    def _step(self, old: Deployment, percent: int) -> None:
        """Give the new versions this share, and watch. Raises what is wrong with them."""
        if not self._moves:
            return
        self._check_alive()
        self._await_copies(percent)
        self._enforce(staged(old, self._new, percent))
        watched = f", watched for {self._terms.step_s:g} s" if self._terms.step_s else ""
        self._say(f"{percent} % of the requests{watched}")
        begun, until = self._scrape(), self._clock.now() + self._terms.step_s
        while (left := until - self._clock.now()) > 0:
            self._clock.sleep(min(_LOOK_S, left))
            self._check_alive()
            now = self._scrape()
            for move in self._moves:
                if (found := judged(move, self._new.settings, begun, now)) is not None:
                    raise found

    def _await_copies(self, percent: int) -> None:
        """Wait for as many copies of the new versions as this share needs. Raises as `_await_ready`."""
        begun = self._clock.now()
        units = added(self._old, self._new)
        places = {move.new.host: move.old.host for move in self._moves}
        while lacking := self._target.scale(self._new, units, places, percent):
            running = {one.host: one for one in self._target.running()}
            waited_s = self._clock.now() - begun
            for unit in units:
                one = running.get(unit.host)
                _check_hopeful(unit, one, 0.0)
                if waited_s > unit.startup_s:
                    reason = f"{lacking}; {_said(one)}"
                    raise FreeholdError("deploy_unit_slow", unit=unit.host, seconds=unit.startup_s, reason=reason)
            self._say(f"waiting for copies: {lacking}")
            self._clock.sleep(_LOOK_S)

    def _rest(self) -> None:
        """Wait until no request is in flight at the old versions, at most as long as their grace time."""
        until = self._clock.now() + max((move.old.grace_s for move in self._moves), default=0)
        while self._clock.now() < until:
            in_flight = self._scrape().in_flight
            if not any(in_flight.get(move.model) for move in self._moves):
                return
            self._clock.sleep(_POLL_S)

    def _check_alive(self) -> None:
        running = {one.host: one for one in self._target.running()}
        for unit in added(self._old, self._new):
            if not _is_ready(one := running.get(unit.host)):
                raise FreeholdError("deploy_unit_lost", unit=unit.host, reason=self._why_lost(unit, one))

    def _why_lost(self, unit: Unit, one: Running | None) -> str:
        """What is known of it, or what it wrote last where it was started again by now."""
        if one is None or one.reason is not None:
            return _said(one)
        try:
            lines = [line for line in self._target.logs(unit.host, tail=_LAST_LINES) if line.strip()]
        except FreeholdError:  # it is gone by now
            lines = []
        return f"it is {one.state} again. It last wrote: {' '.join(lines) or 'nothing'}"

    def _replace_gateway(self) -> None:
        """Another image, port or mount of the gateway is a moment without one."""
        old, new = self._old, self._new.gateway
        if old is None or old.gateway.host == new.host:
            return
        self._say("replacing the gateway: requests fail for a moment")
        self._target.start(self._new, (new,))
        self._await_ready((new,))

    def _enforce(self, text: str) -> None:
        """Give the gateway a file, and wait until it is in force. Raises `deploy_gateway_deaf`."""
        self._target.route(self._new, text)
        wanted = digest(text)
        self._await_gateway(lambda told: "" if told.configuration == wanted else "the file")

    def _await_gateway(self, lacking: Callable[[Readiness], str]) -> None:
        """Wait until nothing is lacking of what the gateway tells of itself."""
        until = self._clock.now() + IN_FORCE_S
        while True:
            told = self._readiness()
            if isinstance(told, Readiness):
                what = lacking(told)
                if not what:
                    return
                reason = "; ".join(trouble.cause for trouble in told.troubles) or f"not in force yet: {what}"
            else:
                reason = told
            if self._clock.now() >= until:
                raise FreeholdError("deploy_gateway_deaf", seconds=round(IN_FORCE_S), reason=reason)
            self._clock.sleep(_POLL_S)

    def _readiness(self) -> Readiness | str:
        """What the gateway tells, or why it does not."""
        try:
            status, body = self._target.ask("GET", "/readyz", b"")
        except FreeholdError as error:
            return error.cause
        return readiness(body) or f"/readyz answers with status {status}, and nothing that can be read"

    def _scrape(self) -> Scrape:
        status, body = self._target.ask("GET", "/metrics", b"")
        if status != 200:
            raise FreeholdError("deploy_gateway_unmeasured", status=status)
        return Scrape.of(body.decode("utf-8", "replace"))

    def _stop_all_but(self, deployment: Deployment | None) -> None:
        kept = set() if deployment is None else set(hosts((*deployment.units, deployment.gateway)))
        gone = [one.host for one in self._target.running() if one.host not in kept]
        if gone:
            self._say(f"stopping {', '.join(gone)}")
            self._target.stop(gone)


def _is_ready(one: Running | None) -> bool:
    return one is not None and one.state == "ready"


def _said(one: Running | None) -> str:
    if one is None:
        return "it is gone"
    return one.reason.cause if one.reason is not None else f"it is {one.state}"


def _check_hopeful(unit: Unit, one: Running | None, waited_s: float) -> None:
    """Raises where waiting for it is in vain."""
    if one is not None and one.state in ("failed", "stopped"):
        remedy = one.reason.fix if one.reason is not None else f"`freehold logs {unit.host}` shows what it wrote."
        raise FreeholdError("deploy_unit_failed", unit=unit.host, reason=_said(one), remedy=remedy)
    if waited_s > unit.startup_s:
        raise FreeholdError("deploy_unit_slow", unit=unit.host, seconds=unit.startup_s, reason=_said(one))
