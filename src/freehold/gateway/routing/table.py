"""Which model answers a request for a name: routes with their shares, as the configuration and rollouts say.

The choice is a function of the request's id alone, so that one client's retries meet the same model, and Nginx and
Envoy with the same routes choose alike: slot = XXH64(`x-request-id`, seed 0) mod 100, the hash that Envoy's hash
policies use; the model is the first whose percents, summed up in their order, exceed the slot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Literal

import xxhash

from freehold.config import Config, Hold, Route, Shadow
from freehold.errors import FreeholdError

SLOTS = 100
_LISTED = 64  # names that an error lists

Weights = Mapping[str, Mapping[str, int]]
"""By route, the weight of each model: what a rollout puts in place of the file's."""

Sees = Callable[[str], bool]
"""Whether there is a name for whoever asks."""


def _all_of_them(name: str) -> bool:
    return True


def percents(weights: Sequence[int]) -> tuple[int, ...]:
    """`weights`, of which one is positive, as whole percents that sum to 100, by largest remainder; ties: earlier."""
    total = sum(weights)
    shares = [weight * SLOTS // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(weights[place] * SLOTS % total))
    for place in by_remainder[: SLOTS - sum(shares)]:
        shares[place] += 1
    return tuple(shares)


def slot(request_id: bytes) -> int:
    """Where the request of that id falls, 0 to 99."""
    return xxhash.xxh64_intdigest(request_id) % SLOTS


@dataclass(frozen=True, slots=True)
class Variant:
    """One model of a route, and the share of its requests."""

    id: str
    percent: int


@dataclass(frozen=True)
class ModelRoute:
    """A name that clients ask for, and who answers. The percents of `variants` sum to 100."""

    name: str
    variants: tuple[Variant, ...]
    fallback: str | None = None
    shadow: Shadow | None = None
    balance: Literal["least", "prefix"] = "least"
    locality: str | None = None
    hold: Hold = Hold()  # noqa: RUF009 - frozen

    @property
    def only(self) -> str | None:
        """The one model that may answer; None where there are several."""
        return self.variants[0].id if len(self.variants) == 1 and self.fallback is None else None

    def variant_at(self, slot: int) -> str:
        """The id of the model that requests of this slot belong to."""
        sums = accumulate(variant.percent for variant in self.variants)
        return next(variant.id for variant, reached in zip(self.variants, sums, strict=True) if reached > slot)


@dataclass(frozen=True)
class RouteTable:
    """Every name that clients may ask for, models without a route of their own among them."""

    routes: Mapping[str, ModelRoute]

    @classmethod
    def of(cls, config: Config, weights: Weights = MappingProxyType({})) -> "RouteTable":
        """The table of `config`. What `weights` says of a route stands in place of the file's weights, and may bring
        models in that the file's route lacks; routes and models that `config` does not know are left out."""
        known = {model.id for model in config.models}
        routes = {route.model: _routed(route, weights.get(route.model, {}), known) for route in config.routes}
        for model in config.models:
            if model.id not in routes:
                shares = _shares({model.id: 1}, weights.get(model.id, {}), known)
                routes[model.id] = ModelRoute(model.id, shares)
        return cls(MappingProxyType(routes))

    @property
    def names(self) -> Iterable[str]:
        """What may be asked for: routes, then models, as the configuration has them."""
        return self.routes.keys()

    def find(self, name: str, sees: Sees = _all_of_them) -> ModelRoute:
        """The route of that name. Raises `model_not_found`, which lists those that are seen."""
        route = self.routes.get(name)
        if route is None or not sees(name):
            raise FreeholdError("model_not_found", model=name[:200], served=self.listed(sees))
        return route

    def listed(self, sees: Sees = _all_of_them) -> str:
        """The names that are seen, for a message: not all of a thousand."""
        names = [name for name in self.names if sees(name)]
        more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
        return ", ".join(names[:_LISTED]) + more or "none"


def _routed(route: Route, weights: Mapping[str, int], known: set[str]) -> ModelRoute:
    variants = _shares({target.id: target.weight for target in route.to}, weights, known)
    return ModelRoute(
        route.model, variants, route.fallback, route.shadowed, route.balance, route.locality, hold=route.hold
    )


def _shares(own: dict[str, int], weights: Mapping[str, int], known: set[str]) -> tuple[Variant, ...]:
    wanted = {model: weight for model, weight in weights.items() if model in known}
    if any(wanted.values()):
        own = {model: wanted.get(model, 0) for model in {**own, **wanted}}
    return tuple(Variant(*share) for share in zip(own, percents(list(own.values())), strict=True))
