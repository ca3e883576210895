"""Which of a route's models answers now: the one that a request belongs to, else the next that is ready, else the
fallback."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from freehold.errors import FreeholdError
from freehold.gateway.routing.table import ModelRoute
from freehold.gateway.upstreams.upstream import Upstream
from freehold.gateway.wire.failures import RETRY_AFTER_S

READY = "ready"
HOPEFUL = frozenset({"loading", "restarting"})
"""States that end by themselves."""


class Candidate(Protocol):
    """A model that may answer, here or elsewhere. `state`: loading, ready, restarting or another one; `error` why.

    `tripped`: it is ready, but fails what it is asked, so that another one is better.
    """

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def error(self) -> FreeholdError | None: ...
    @property
    def tripped(self) -> bool: ...
    @property
    def abilities(self) -> Sequence[str]: ...


Look = Callable[[], tuple[str, FreeholdError | None, Sequence[str]]]
"""Tells a model's state, why it is in it, and what it can do."""


@dataclass(frozen=True)
class Here:
    """A model that this process computes."""

    id: str
    look: Look

    @property
    def state(self) -> str:
        """As a candidate: engine processes that are being replaced hold requests back by themselves."""
        state = self.look()[0]
        return READY if state == "restarting" else state

    @property
    def error(self) -> FreeholdError | None:
        """Why it cannot answer."""
        return self.look()[1]

    @property
    def tripped(self) -> bool:
        """Nothing is known of that."""
        return False

    @property
    def abilities(self) -> Sequence[str]:
        """What it can do."""
        return self.look()[2]


@dataclass(frozen=True)
class Absent:
    """A model that the configuration has by now and this process has not."""

    id: str
    state: str = "failed"
    tripped: bool = False
    abilities: Sequence[str] = ()

    @property
    def error(self) -> FreeholdError:
        """Why it cannot answer."""
        return FreeholdError("model_awaits_restart", model=self.id)


def in_order(route: ModelRoute, first: str) -> Iterator[str]:
    """The models that may answer a request that belongs to `first`: those after it, those before it, the fallback.

    One without a share gets nothing, whatever becomes of the others.
    """
    sharing = [variant.id for variant in route.variants if variant.percent]
    start = sharing.index(first) if first in sharing else 0
    yield from sharing[start:]
    yield from sharing[:start]
    if route.fallback is not None and route.fallback not in sharing:
        yield route.fallback


def able(
    route: ModelRoute, first: str, models: Mapping[str, Candidate], tried: Collection[str] = ()
) -> Candidate | None:
    """The first one that is ready and was not tried; one that is tripped, or was not looked at yet, only where there is
    no other. A request under way may hold a `route` whose models are gone by now."""
    left = [models[name] for name in in_order(route, first) if name in models and name not in tried]
    ready = [model for model in left if model.state == READY] or [model for model in left if _is_untold(model)]
    return next((model for model in ready if not model.tripped), ready[0] if ready else None)


def hopeful(route: ModelRoute, models: Mapping[str, Candidate]) -> bool:
    """Whether one of them may become ready by itself."""
    return any(models[name].state in HOPEFUL for name in in_order(route, route.variants[0].id))


def unable(route: ModelRoute, models: Mapping[str, Candidate]) -> FreeholdError:
    """Why none of them can answer: of one model its own words, of several each one's."""
    reasons = {name: _reason(models[name]) for name in in_order(route, route.variants[0].id)}
    if len(reasons) == 1:
        (error,) = reasons.values()
        return FreeholdError(error.code, **{"retry_after_s": RETRY_AFTER_S, **error.details})
    said = " ".join(f"{name}: {error.cause}" for name, error in reasons.items())
    return FreeholdError("route_unready", route=route.name, reasons=said, retry_after_s=RETRY_AFTER_S)


def _reason(model: Candidate) -> FreeholdError:
    return model.error or FreeholdError("model_loading", model=model.id)


def _is_untold(model: Candidate) -> bool:
    """Whether it is elsewhere and nothing is known of it, as when a gateway has just been told of it."""
    return isinstance(model, Upstream) and not model.vital and model.state == "loading"
