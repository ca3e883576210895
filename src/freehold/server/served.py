"""One version of one model: how its engine is opened, the engine once it is, and its state."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

from freehold.artifact import Kind, Manifest
from freehold.config import Defaults
from freehold.engine.base import Engine
from freehold.engine.heap import give_back
from freehold.errors import FreeholdError
from freehold.http.admission import Admission
from freehold.server.statistics import Statistics

log = logging.getLogger(__name__)

ACCEPTED_FOR_S = 24 * 3600.0
LINGER_S = 0.5
"""A request that was told of an engine asks it within this; until then one that is to be unloaded is not closed."""
RETRY_S = 10.0
"""A model that could not be woken is not tried again before."""
_LOOK_S = 0.02


class State(StrEnum):
    """What a client can expect of a model."""

    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"  # its engine processes died; requests wait for the next ones
    UNPROVEN = "unproven"  # loaded, but its proof failed or is less than what is required
    FAILED = "failed"  # could not be loaded
    ASLEEP = "asleep"  # gave its memory back; the next request loads it, and waits for that
    UNLOADING = "unloading"  # takes no more requests; those in flight finish
    UNLOADED = "unloaded"  # by somebody's wish, and until somebody loads it
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProofPolicy:
    """What a model must show. `accepted` is the reason given for serving it although its proof fails, for 24 h."""

    require_raw: bool = False
    accepted: str | None = None


@dataclass(frozen=True)
class Terms:
    """How long a model keeps its memory, and how much that is."""

    keep_alive_s: float | None = None  # without a request for so long it is put to sleep; None: never
    pinned: bool = False  # never put to sleep for the sake of another
    wait_s: float = 50.0  # how long a request waits for a load
    size: Callable[[], int] = lambda: 0  # bytes that it will take; blocks


@dataclass(frozen=True)
class Facts:
    """What is known of a model once it was loaded, also while it sleeps. `proof`: raw | self | none | failed."""

    manifest: Manifest
    digest: str
    precision: str
    proof: str


@dataclass
class Served:
    """One version of one model. Whoever holds it holds its place: engines come and go behind it."""

    id: str
    open: Callable[[], Engine]
    admit: Callable[[Engine], Admission]
    policy: ProofPolicy = ProofPolicy()
    defaults: Defaults = field(default_factory=Defaults)  # sampling, where a request for text leaves it open
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)  # for its chat template, the same way
    version: str = "1"
    terms: Terms = Terms()
    origin: Literal["file", "runtime"] = "file"  # who wants it: the configuration, or somebody who loaded it
    tenant: str = ""  # whose it is; "" is everybody's
    vital: bool = True  # whether the node is unready while this one cannot answer
    state: State = State.LOADING
    error: FreeholdError | None = None
    """Why it does not answer; of one that does, why it could not be replaced by what was last asked for."""
    load_s: float = 0.0
    accepted_until: float = 0.0  # wall clock, seconds
    created: int = field(default_factory=lambda: int(time.time()))
    used_at: float = field(default_factory=time.monotonic)  # when it was last asked for; monotonic clock, seconds
    retry_at: float = 0.0  # from when on a wake that failed may be tried again; monotonic clock; 0: none has failed
    bytes: int = 0  # what it takes of the memory for models while it is loaded
    facts: Facts | None = None
    statistics: Statistics = field(default_factory=Statistics)  # fed by the observers that `open` gives its engine
    _engine: Engine | None = None
    _admission: Admission | None = None

    @property
    def engine(self) -> Engine:
        """The loaded engine. Raises FreeholdError `model_loading` before there is one."""
        if self._engine is None:
            raise FreeholdError("model_loading", model=self.id) if self.error is None else self.error.again()
        return self._engine

    @property
    def admission(self) -> Admission:
        """The bound on what waits; made together with the engine."""
        if self._admission is None:
            raise FreeholdError("model_loading", model=self.id)
        return self._admission

    @property
    def manifest(self) -> Manifest:
        """What the model is, known from its first load on. Raises as `engine` before."""
        return self.engine.manifest if self.facts is None else self.facts.manifest

    @property
    def proof(self) -> str:
        """raw | self | none | failed; `none` before the first load."""
        return self.facts.proof if self.facts is not None else "none"

    @property
    def kind(self) -> Kind | None:
        """The kind, once it is known."""
        return self.facts.manifest.kind if self.facts is not None else None

    @property
    def loaded(self) -> bool:
        """Whether there is an engine, whatever it may answer."""
        return self._engine is not None

    @property
    def busy(self) -> bool:
        """Whether it works for somebody now, or has just been asked to."""
        in_flight = self._admission is not None and self._admission.in_flight > 0
        return in_flight or time.monotonic() - self.used_at < LINGER_S

    async def load(self) -> None:
        """Open, load, and hold the proof against the policy. Never raises FreeholdError: the state tells.

        One that is unloaded meanwhile stays so.
        """
        begun = time.perf_counter()
        self.state = State.LOADING  # one that is woken goes on saying that it sleeps: who asks waits
        try:
            engine = await asyncio.to_thread(self.open)
            await engine.load()
        except FreeholdError as error:
            if self.state is State.LOADING:
                self.fail(error)
            return
        if self.state is not State.LOADING:
            await engine.close(0.0)
            return
        self.load_s = time.perf_counter() - begun
        self._engine, self._admission = engine, self.admit(engine)
        self.facts = Facts(engine.manifest, engine.digest, engine.precision, engine.proof.status)
        self.used_at = time.monotonic()
        self.error = self._objection(engine)
        self.state = State.READY if self.error is None else State.UNPROVEN
        facts = {"model": self.id, "kind": engine.manifest.kind, "digest": engine.digest, "proof": engine.proof.status}
        if self.error is None:
            log.info("model_ready", extra={**facts, "precision": engine.precision, "load_s": round(self.load_s, 3)})
        else:
            log.error("model_unproven", extra={**facts, "code": self.error.code, "cause": self.error.cause})

    def fail(self, error: FreeholdError) -> None:
        """Say that the model could not be loaded, and why."""
        self.state, self.error = State.FAILED, error
        log.error("model_failed", extra={"model": self.id, "code": error.code, "cause": error.cause})

    def now(self) -> State:
        """The state as of now: an accepted proof runs out, and engine processes come and go."""
        if self.state is State.READY and self.accepted_until and time.time() > self.accepted_until:
            self.accepted_until = 0.0
            self.state, self.error = State.UNPROVEN, self.engine.proof.failure
            log.error("acceptance_over", extra={"model": self.id, "reason": self.policy.accepted})
        if self.state is State.READY and not self.engine.ready():
            return State.RESTARTING
        return self.state

    def check(self) -> "Served":
        """Itself when it may answer. Raises FreeholdError `model_loading`, `model_failed`, `proof_failed`,
        `model_asleep`, `model_unloaded` or others."""
        if self.now() in (State.READY, State.RESTARTING):
            return self
        if self.state is State.LOADING and self.error is None:
            raise FreeholdError("model_loading", model=self.id)
        if self.state is State.FAILED and self.error is not None:
            if self.sleeps:
                raise asleep(self, "its last load failed")
            raise FreeholdError("model_failed", model=self.id, reason=self.error.cause, remedy=self.error.fix)
        raise FreeholdError("shutting_down") if self.error is None else self.error.again()

    def asked(self) -> "Served":
        """As `check`, for somebody who asks something of it now."""
        self.used_at = time.monotonic()
        return self.check()

    def available(self) -> "Served":
        """As `check`, of one that sleeps too: a request would be answered."""
        return self if self.answers and not self.loaded else self.check()

    @property
    def sleeps(self) -> bool:
        """Whether a request would be answered after a load, or after the one that it is in because of a request."""
        said = self.error is not None and self.error.code == "model_asleep"
        return said or (self.state is State.FAILED and 0 < self.retry_at <= time.monotonic())

    @property
    def answers(self) -> bool:
        """Whether a request would be answered, after a load where it must be; of a load that failed nobody knows."""
        return self.state is State.READY or (self.sleeps and self.state is not State.FAILED)

    @property
    def rests(self) -> bool:
        """Whether it was put to sleep and is not back: it sleeps, is being woken, or could not be."""
        return self.sleeps or (self.state is State.FAILED and self.retry_at > 0)

    def take_over(self, successor: "Served") -> Engine | None:
        """Become what `successor` is, which is given up; returns the engine that nobody asks any more."""
        before = self._engine
        for one in fields(self):
            if one.name not in ("created", "vital"):
                setattr(self, one.name, getattr(successor, one.name))
        successor.give_up()  # who still knows it, as idle and about to sleep, would close what answers here now
        successor.state = State.UNLOADED
        return before

    def give_up(self) -> Engine | None:
        """Have no engine any more; returns the one that there was."""
        engine, self._engine, self._admission, self.bytes = self._engine, None, None, 0
        return engine

    async def unload(self, state: State, why: FreeholdError, grace_s: float) -> None:
        """Take no more requests, finish those in flight within `grace_s` seconds, and give the memory back.

        Where somebody loads it meanwhile, or unloads it for another reason, that is what happens.
        """
        self.state, self.error = State.UNLOADING, why
        log.info("model_unloading", extra={"model": self.id, "version": self.version, "cause": why.cause})
        until = time.monotonic() + LINGER_S + grace_s
        while self.busy and self.error is why and time.monotonic() < until:  # noqa: ASYNC110 - what ends is counted
            await asyncio.sleep(_LOOK_S)
        if self.error is not why:
            return
        engine, self.state = self.give_up(), state
        if engine is not None:
            await engine.close(0.0)
            del engine
            reclaim()

    async def close(self, grace_s: float) -> None:
        """Stop answering; what is queued finishes within `grace_s` seconds."""
        self.state = State.STOPPED
        if self._engine is not None:
            await self._engine.close(grace_s)

    def _objection(self, engine: Engine) -> FreeholdError | None:
        proof = engine.proof
        if proof.failure is not None:
            if self.policy.accepted is None:
                return proof.failure
            self.accepted_until = self.accepted_until or time.time() + ACCEPTED_FOR_S  # a wake adds nothing to it
            log.warning(
                "failed_proof_accepted",
                extra={
                    "model": self.id,
                    "reason": self.policy.accepted,
                    "cause": proof.failure.cause,
                    "for_s": ACCEPTED_FOR_S,
                },
            )
            return None
        if self.policy.require_raw and proof.status != "raw":
            return FreeholdError("proof_required", model=self.id, proof=proof.status)
        return None


def asleep(served: Served, why: str) -> FreeholdError:
    """What is said of a model while it sleeps."""
    return FreeholdError("model_asleep", model=served.id, version=served.version, why=why)


def reclaim() -> None:
    """Give what a closed engine held back to the system. What was frozen once all was loaded is looked at again: an
    engine is among it."""
    frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    give_back()
