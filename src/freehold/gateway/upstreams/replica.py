"""One server of a model: where it is, whether it answers, and how much is asked of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from freehold.errors import FreeholdError
from freehold.gateway.upstreams import probe
from freehold.gateway.upstreams.balance import seed_of
from freehold.gateway.upstreams.health import Ejection, Probed, Terms
from freehold.gateway.wire.pool import Pools
from freehold.telemetry import ReplicaMetrics

log = logging.getLogger(__name__)

SETTLED_S = 10.0  # between probes of a server that answers
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0  # between probes of one that does not
STARTING_PAUSE_S = 0.25  # between probes of one that is being started here
FAILURES = frozenset({500, 502, 503, 504})
"""Statuses that say that a server does not do its work; what others say is about the request."""


@dataclass(frozen=True)
class Inquiry:
    """How all replicas of one model are probed: `name` is what they should know it as.

    `headers` raises why there is no key, `objection` says why a server that answers cannot be used after all, and
    `changed` hears of news.
    """

    model: str
    name: str
    started_here: bool
    headers: Callable[[], dict[str, str]]
    objection: Callable[[probe.Told], FreeholdError | None]
    changed: Callable[[], None]


class Replica:
    """A server that computes a model. Used from the event loop's thread only.

    `base` is the URL that paths are appended to; None while the server is being started. `outstanding` counts the
    requests in flight: `take` one, tell how it goes (`heard`, then `finished`; or `broke`), `give_back`.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        number: int,
        base: str | None,
        terms: Terms,
        metrics: ReplicaMetrics,
        clock: Callable[[], float],
    ) -> None:
        """`number` counts the replicas of a model from 1, in the order of the configuration."""
        self.number = number
        self.place = None if base is None else probe.Place(base)
        self.told = probe.Told()
        self.probed = Probed()
        self.ejection = Ejection(terms)
        self.outstanding = 0
        self.turn = 0
        self.seed = seed_of(base or "")
        self._inquiry = inquiry
        self._metrics = metrics
        self._clock = clock
        self._up = asyncio.Event()
        self._doubt = asyncio.Event()

    @property
    def base(self) -> str | None:
        """Its URL, as it is configured or was told by who starts it."""
        return None if self.place is None else self.place.url

    @property
    def ready(self) -> bool:
        """Whether it answers its probes."""
        return self.probed.ready

    @property
    def error(self) -> FreeholdError | None:
        """Why it does not."""
        return self.probed.error

    def url(self, path: str) -> str:
        """Where `path` is there: "chat/completions" below the OpenAI API, "v2/..." below the root. It has a base."""
        assert self.place is not None, "only a replica that has one is picked"
        return self.place.of(path)

    def take(self, turn: int) -> None:
        """A request is sent to it now, the model's `turn`-th."""
        self.turn = turn
        self.outstanding += 1
        self._metrics.in_flight.set(self.outstanding)
        self.ejection.took(self._clock())

    def give_back(self) -> None:
        """A request is over, however it went."""
        self.outstanding -= 1
        self._metrics.in_flight.set(self.outstanding)

    def heard(self, status: int) -> None:
        """It has begun to answer a request."""
        self.probed.heard()
        if status in FAILURES:
            self._count_failure()
        elif self.ejection.answered(self._clock()):
            self._tell_return()

    def finished(self, status: int) -> None:
        """It has answered a request whole."""
        if status not in FAILURES:
            self.ejection.finished()

    def broke(self) -> None:
        """A request got no answer from it, or not all of one: that counts against it, and it is looked at at once."""
        self._count_failure()
        self._doubt.set()

    def refuse_key(self, status: int) -> FreeholdError:
        """What to say of a server that does not accept the key."""
        self._doubt.set()
        return FreeholdError("upstream_key_refused", model=self._inquiry.model, status=status)

    def inherit(self, known: "Replica") -> None:
        """Take over what is known of the same server: whether it answers, what it tells, whether it is ejected."""
        terms = self.ejection.terms
        self.probed, self.told, self.ejection = known.probed, known.told, known.ejection
        self.ejection.terms = terms
        self._metrics.ready.set(float(self.ready))
        self._metrics.ejected.set(float(self.ejection.ejected))
        if self.ready:
            self._up.set()

    def suspect(self) -> None:
        """Look at once whether it answers."""
        self._doubt.set()

    def move(self, base: str | None, error: FreeholdError | None = None) -> None:
        """It is being started at `base`, or is gone for the time being because of `error`."""
        self.place = None if base is None else probe.Place(base)
        self._lose(error)
        self._doubt.set()

    async def answers(self) -> None:
        """Wait until it answers its probes."""
        await self._up.wait()

    async def watch(self, pools: Pools) -> None:
        """Keep looking whether it answers, until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._doubt.clear()
            if self.place is not None:
                await self._probe(pools, self.place)
            if self.ready:
                pause_s = FIRST_PAUSE_S
            wait_s = SETTLED_S if self.ready else STARTING_PAUSE_S if self._inquiry.started_here else pause_s
            if await _within(wait_s, self._doubt.wait):
                await asyncio.sleep(FIRST_PAUSE_S / 5)  # many requests may fail at once
            elif not self.ready:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _probe(self, pools: Pools, place: probe.Place) -> None:
        asking = self._inquiry
        try:
            told = await probe.ask(pools, place, asking.headers(), asking.model, asking.name)
            verdict = asking.objection(told)
        except FreeholdError as error:
            verdict = error
        if place is not self.place:
            return  # it has moved meanwhile
        if verdict is None:
            self.told = told
            self._pass()
        else:
            self._fail(verdict)

    def _pass(self) -> None:
        if self.probed.passed():
            there = ", ".join(self.told.names[:8])
            log.info("upstream_ready", extra={**self._who(), "there": there})
            if self.ejection.forget():
                self._tell_return()
        self._up.set()
        self._metrics.ready.set(1.0)
        self._inquiry.changed()

    def _fail(self, error: FreeholdError) -> None:
        starting = self._inquiry.started_here and not self.probed.was_ready
        if starting and error.code != "upstream_key_refused":
            self.probed.doubts += 1
            return  # how that goes is told by who starts it
        if self.probed.failed(error):
            log.warning("upstream_down", extra={**self._who(), "cause": error.cause})
        if not self.ready:
            self._lose(error)

    def _lose(self, error: FreeholdError | None) -> None:
        self.probed.lost(error)
        self._up.clear()
        self._metrics.ready.set(0.0)
        self._inquiry.changed()

    def _count_failure(self) -> None:
        was = self.ejection.ejected
        if self.ejection.failed(self._clock()) and not was:
            self._metrics.ejections.inc()
            self._metrics.ejected.set(1.0)
            log.warning("replica_ejected", extra=self._who())

    def _tell_return(self) -> None:
        self._metrics.ejected.set(0.0)
        log.info("replica_returned", extra=self._who())

    def _who(self) -> dict[str, object]:
        return {"model": self._inquiry.model, "replica": self.number, "url": self.base}


async def _within(seconds: float, wait: Callable[[], Awaitable[object]]) -> bool:
    """Whether `wait` ended within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await wait()
    except TimeoutError:
        return False
    return True
