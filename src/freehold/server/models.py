"""The models that this node serves, and what state each is in."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from freehold.artifact import Kind
from freehold.config import Defaults
from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.http.admission import Admission

log = logging.getLogger(__name__)

ACCEPTED_FOR_S = 24 * 3600.0


class State(StrEnum):
    """What a client can expect of a model."""

    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"  # its engine processes died; requests wait for the next ones
    UNPROVEN = "unproven"  # loaded, but its proof failed or is less than what is required
    FAILED = "failed"  # could not be loaded
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProofPolicy:
    """What a model must show. `accepted` is the reason given for serving it although its proof fails, for 24 h."""

    require_raw: bool = False
    accepted: str | None = None


@dataclass
class Served:
    """One model: how its engine is opened, the engine once it is, and its state."""

    id: str
    open: Callable[[], Engine]
    admit: Callable[[Engine], Admission]
    policy: ProofPolicy = ProofPolicy()
    defaults: Defaults = field(default_factory=Defaults)  # sampling, where a request for text leaves it open
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)  # for its chat template, the same way
    state: State = State.LOADING
    error: FreeholdError | None = None
    load_s: float = 0.0
    accepted_until: float = 0.0  # wall clock, seconds
    created: int = field(default_factory=lambda: int(time.time()))
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
    def proof(self) -> str:
        """raw | self | none | failed; `none` while there is no engine."""
        return self._engine.proof.status if self._engine is not None else "none"

    @property
    def kind(self) -> Kind | None:
        """The kind, once it is known."""
        return self._engine.manifest.kind if self._engine is not None else None

    async def load(self) -> None:
        """Open, load, and hold the proof against the policy. Never raises FreeholdError: the state tells."""
        begun = time.perf_counter()
        try:
            engine = await asyncio.to_thread(self.open)
            await engine.load()
        except FreeholdError as error:
            self.fail(error)
            return
        self.load_s = time.perf_counter() - begun
        self._engine, self._admission = engine, self.admit(engine)
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
        """Itself when it may answer. Raises FreeholdError `model_loading`, `model_failed`, `proof_failed` or others."""
        if self.now() in (State.READY, State.RESTARTING):
            return self
        if self.state is State.LOADING:
            raise FreeholdError("model_loading", model=self.id)
        if self.state is State.FAILED and self.error is not None:
            raise FreeholdError("model_failed", model=self.id, reason=self.error.cause, remedy=self.error.fix)
        raise FreeholdError("shutting_down") if self.error is None else self.error.again()

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
            self.accepted_until = time.time() + ACCEPTED_FOR_S
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


class Remote(Protocol):
    """A model that another server computes, as far as this one shows it. `vital`: this node is not ready without it."""

    @property
    def id(self) -> str: ...
    @property
    def created(self) -> int: ...
    @property
    def vital(self) -> bool: ...
    @property
    def state(self) -> str: ...  # a value of State
    @property
    def error(self) -> FreeholdError | None: ...
    @property
    def abilities(self) -> Sequence[str]: ...


class Models:
    """All models of the node, by id, in the order of the configuration; `remotes` are listed and reported with them."""

    def __init__(self, served: Sequence[Served], remotes: Sequence[Remote] = ()) -> None:
        self.remotes = remotes
        self.troubles: Callable[[], Sequence[FreeholdError]] = tuple
        """What else a person should know: of the configuration, of routes."""
        self.configuration: Callable[[], str] = str
        """The sha256 of the configuration file in force, in hex; "" where there is none."""
        self._served = {one.id: one for one in served}
        self._draining = False

    def all(self) -> list[Served]:
        """Every model in whatever state."""
        return list(self._served.values())

    def find(self, model: str) -> Served:
        """The model of that id in whatever state. Raises FreeholdError `model_not_found`, which names those served, and
        `model_elsewhere` for a remote one."""
        served = self._served.get(model)
        if served is not None:
            return served
        if self.remote(model) is not None:
            raise FreeholdError("model_elsewhere", model=model)
        known = ", ".join((*self._served, *(remote.id for remote in self.remotes))) or "none"
        raise FreeholdError("model_not_found", model=model[:200], served=known)

    def remote(self, model: str) -> Remote | None:
        """The model of that id that another server computes; None where there is none."""
        return next((remote for remote in self.remotes if remote.id == model), None)

    def get(self, model: str) -> Served:
        """The model of that id, able to answer. Raises FreeholdError."""
        return self.find(model).check()

    def only(self, *kinds: Kind) -> Served:
        """The one model of these kinds, able to answer, for calls that name none.

        Raises FreeholdError `model_ambiguous` when there are several or none of them.
        """
        named = "|".join(kinds)
        fitting = [one for one in self._served.values() if one.kind in kinds]
        if len(fitting) == 1:
            return fitting[0].check()
        if not fitting and any(one.state is State.LOADING for one in self._served.values()):
            raise FreeholdError("model_loading", model=f"the {named} model")
        failed = [one for one in self._served.values() if one.state is State.FAILED]
        if not fitting and failed:
            failed[0].check()  # of what kind it is was never known: why it failed helps more than that none is served
        served = ", ".join(one.id for one in fitting) or "none of that kind is served here"
        raise FreeholdError("model_ambiguous", count=len(fitting), kind=named, served=served)

    def drain(self) -> None:
        """From now on not ready, so that probes take this node out; what was accepted is still answered."""
        self._draining = True

    def ready(self) -> bool:
        """True when the node is not leaving, and every model can answer that is computed or was started by it.

        A server elsewhere that is down must not take this one out; where there is nothing else, one must answer.
        """
        if self._draining or not all(one.now() is State.READY for one in self._served.values()):
            return False
        vital = [remote.state == State.READY for remote in self.remotes if remote.vital]
        if self._served or vital or not self.remotes:
            return all(vital)
        return any(remote.state == State.READY for remote in self.remotes)

    async def load(self, on_loaded: Callable[[Served], None]) -> None:
        """Load one after another: two that were tuned at the same time would measure each other."""
        for served in self._served.values():
            (defect,) = await asyncio.gather(served.load(), return_exceptions=True)
            if isinstance(defect, Exception):
                # One model's defect must not leave it, and those after it, loading for ever.
                log.error("load_broke", exc_info=defect, extra={"model": served.id})
                served.fail(FreeholdError("load_broke", model=served.id, reason=f"{type(defect).__name__}: {defect}"))
            on_loaded(served)

    async def close(self, grace_s: float) -> None:
        """Close all at once."""
        await asyncio.gather(*(served.close(grace_s) for served in self._served.values()))
