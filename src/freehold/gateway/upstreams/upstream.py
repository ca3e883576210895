"""One model that other servers compute: under which key and name, on which of its replicas, and whether any answers."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from freehold.config import Ability, ModelConfig, resolve
from freehold.errors import FreeholdError
from freehold.gateway.upstreams.balance import by_key, least
from freehold.gateway.upstreams.health import Terms
from freehold.gateway.upstreams.probe import Told
from freehold.gateway.upstreams.replica import Inquiry, Replica
from freehold.gateway.wire.failures import RETRY_AFTER_S
from freehold.gateway.wire.pool import Pools
from freehold.http import Admission
from freehold.telemetry import ModelMetrics

BUSY_RETRY_AFTER_S = 1

State = Literal["loading", "ready", "restarting", "failed"]


@dataclass(frozen=True)
class Sharing:
    """How requests are shared among replicas: when one is cast out, how many one may have, further attempts."""

    terms: Terms = Terms()  # noqa: RUF009 - frozen
    pending: int | None = None
    retries: int = 2


class Upstream:
    """A model behind other servers. Used from the event loop's thread only.

    `vital`: this node started its one server, which then counts towards its own readiness.
    """

    def __init__(
        self,
        model: ModelConfig,
        admission: Admission,
        metrics: ModelMetrics,
        environ: Mapping[str, str],
        own_key: str = "",
        sharing: Sharing = Sharing(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`own_key` is one that this node gave to a server that it starts; `clock` tells seconds."""
        self.id = model.id
        self.created = int(time.time())
        self.admission = admission
        self.limits = model.limits
        self.vital = model.hosting == "child"
        self.sharing = sharing
        self.metrics = metrics
        self._model = model
        self._environ = environ
        self._own_key = own_key
        self._key: str | None = None  # not read yet
        self._turn = 0
        name = model.upstream_model or model.id
        inquiry = Inquiry(model.id, name, self.vital, self._present, self._objection, self._show)
        bases = (None,) if self.vital else (model.parsed_source.name, *(url.rstrip("/") for url in model.replicas))
        self.replicas: tuple[Replica, ...] = tuple(
            Replica(inquiry, number, base, sharing.terms, counted, clock)
            for number, (base, counted) in enumerate(zip(bases, metrics.replicas(len(bases)), strict=True), 1)
        )
        self._clock = clock
        metrics.proven("none")

    @property
    def _ready(self) -> bool:
        for replica in self.replicas:  # noqa: SIM110 - asked for every request, and this is twice as fast
            if replica.ready:
                return True
        return False

    @property
    def state(self) -> State:
        """What a client can expect of it: the best that any replica can do."""
        if self._ready:
            return "ready"
        if self.vital and self.replicas[0].probed.was_ready:
            return "restarting"
        return "failed" if self.error is not None else "loading"

    @property
    def error(self) -> FreeholdError | None:
        """Why no replica answers; None while one does, or is not known not to."""
        if any(replica.probed.may_be_asked for replica in self.replicas):
            return None
        errors = [replica.error for replica in self.replicas if replica.error is not None]
        if len(errors) == 1:
            return errors[0]
        reasons = "; ".join(f"{number}. {error.cause}" for number, error in enumerate(errors, 1))
        return FreeholdError(
            "replicas_down", model=self.id, count=len(errors), reasons=reasons, retry_after_s=RETRY_AFTER_S
        )

    @property
    def tripped(self) -> bool:
        """Whether all replicas that answer their probes are ejected now: another model, where there is one, is better.

        It is False again as soon as one of them may be tried by a request.
        """
        if not self._ready:
            return False
        for one in self.replicas:  # asked for every request
            if one.ready and (not one.ejection.ejected or one.ejection.admits(self._clock())):
                return False
        return True

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """What it can do: as configured, else as far as its servers tell."""
        if self._model.abilities is not None:
            return self._model.abilities
        return next((replica.told.abilities for replica in self.replicas if replica.told.abilities), ())

    @property
    def salts(self) -> bool:
        """Whether its servers take `cache_salt`; others may refuse a field that they do not know."""
        return all(replica.told.salts for replica in self.replicas)

    @property
    def digest(self) -> str:
        """Of the weights that its servers have, as they say; empty where they do not, or do not all have the same."""
        told = {replica.told.digest for replica in self.replicas}
        return told.pop() if len(told) == 1 else ""

    @property
    def name_there(self) -> str:
        """What its servers call it. Raises `upstream_model_unknown` where that cannot be told."""
        return self._name_in(self._known)

    def pick(self, key: bytes = b"", tried: Collection[Replica] = ()) -> Replica:
        """The replica to send a request to, which is `taken` by that; give it back with `Replica.give_back`.

        Of those that answer their probes and are not ejected: the least busy, or, with a `key`, the one that has it by
        consistent hashing. Those in `tried` come last. Where all that answer are ejected, none is: a server that fails
        some requests is better than none. Raises why none can be asked, or `overloaded` when each has its bound.
        """
        candidates = self.replicas if len(self.replicas) == 1 else self._candidates(tried)
        if not candidates or not _may_be_asked(candidates[0], self.vital):
            raise self._unavailable()
        pending = self.sharing.pending
        chosen = by_key(candidates, key, pending) if key else least(candidates, pending)
        if chosen is None:
            raise self._busy(len(candidates))
        self._turn += 1
        chosen.take(self._turn)
        return chosen

    def has_another(self, tried: Collection[Replica]) -> bool:
        """Whether a replica that is not among `tried` answers its probes and is not ejected."""
        now = self._clock()
        return any(replica.ready and replica not in tried and replica.ejection.admits(now) for replica in self.replicas)

    def inherit(self, known: "Upstream") -> None:
        """Take over what is known of servers that `known` asks, too: no request need wait until they are probed again
        because the configuration has changed."""
        there = {replica.base: replica for replica in known.replicas}
        for replica in self.replicas:
            if replica.base in there:
                replica.inherit(there[replica.base])
        self._show()

    def authorization(self) -> dict[str, str]:
        """The header that lets this node in. Raises `upstream_key_missing`."""
        key = self._read_key() if self._key is None else self._key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def move(self, base: str | None, error: FreeholdError | None = None) -> None:
        """Its one server is being started at `base`, or is gone for the time being because of `error`."""
        self.replicas[0].move(base, error)

    async def answers(self) -> None:
        """Wait until its one server answers."""
        await self.replicas[0].answers()

    def suspect(self) -> None:
        """Look at once whether its servers answer."""
        for replica in self.replicas:
            replica.suspect()

    async def watch(self, pools: Pools) -> None:
        """Keep looking whether its servers answer, until cancelled."""
        async with asyncio.TaskGroup() as watches:
            for replica in self.replicas:
                watches.create_task(replica.watch(pools))

    @property
    def _known(self) -> tuple[str, ...]:
        return next((replica.told.names for replica in self.replicas if replica.told.names), ())

    def _name_in(self, known: tuple[str, ...]) -> str:
        if self._model.upstream_model is not None:
            return self._model.upstream_model
        if not known or self.id in known:
            return self.id
        if len(known) == 1:
            return known[0]
        raise FreeholdError("upstream_model_unknown", model=self.id, known=_listed(known))

    def _objection(self, told: Told) -> FreeholdError | None:
        """One of several that lists models, and not the one that all are asked for, would refuse what it is sent."""
        if len(self.replicas) == 1 or not told.names:
            return None
        try:
            name = self._name_in(self._known or told.names)
        except FreeholdError as error:
            return error
        if name in told.names:
            return None
        return FreeholdError("replica_differs", model=self.id, name=name, known=_listed(told.names))

    def _show(self) -> None:
        self.metrics.ready.set(float(self._ready))

    def _candidates(self, tried: Collection[Replica]) -> Sequence[Replica]:
        """Of several replicas those that are preferred, all alike."""
        ready = [replica for replica in self.replicas if replica.ready]
        known = ready or [replica for replica in self.replicas if _may_be_asked(replica, self.vital)]
        fresh = [replica for replica in known if replica not in tried] or known
        now = self._clock()
        return [replica for replica in fresh if replica.ejection.admits(now)] or fresh

    def _unavailable(self) -> FreeholdError:
        error = self.error
        return FreeholdError("model_loading", model=self.id) if error is None else error.again()

    def _busy(self, count: int) -> FreeholdError:
        return FreeholdError(
            "overloaded",
            model=self.id,
            reason="pending",
            seen=f"{self.sharing.pending} requests at each of {count} servers",
            limit=str(self.sharing.pending),
            setting="gateway.pending",
            retry_after_s=BUSY_RETRY_AFTER_S,
        )

    def _present(self) -> dict[str, str]:
        """The key, read anew for every probe, so that one that was changed in its file is taken up."""
        self._read_key()
        return self.authorization()

    def _read_key(self) -> str:
        reference = self._model.key
        try:
            self._key = self._own_key if reference is None else resolve(reference, self._environ)
        except FreeholdError as error:
            raise FreeholdError("upstream_key_missing", model=self.id, reason=error.cause, remedy=error.fix) from None
        return self._key


def _may_be_asked(replica: Replica, vital: bool) -> bool:
    return replica.base is not None and (replica.ready if vital else replica.probed.may_be_asked)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
