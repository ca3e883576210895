"""Whose each name is that clients ask for: what of a configuration belongs to one tenant, and what is everybody's."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from freehold.config.routing import Route
from freehold.config.shapes import Config, ModelConfig


def owners(config: Config) -> Mapping[str, str]:
    """The tenant of each model that has one, and of each route to such models; all other names are left out."""
    models = {model.id: model for model in config.models}
    found = {name: model.tenant for name, model in models.items() if model.tenant is not None}
    if not found:
        return MappingProxyType({})
    for route in config.routes:
        for tenant in tenants_of(route, models):
            found[route.model] = tenant
    return MappingProxyType(found)


def tenants_of(route: Route, models: Mapping[str, ModelConfig]) -> list[str]:
    """The tenants of the models that see requests for `route`, in order: a route that holds has one at most."""
    named = (models[name].tenant for name in _models_of(route) if name in models)
    return sorted({tenant for tenant in named if tenant is not None})


def _models_of(route: Route) -> Iterator[str]:
    yield from (target.id for target in route.to)
    if route.fallback is not None:
        yield route.fallback
    if route.shadowed is not None:
        yield route.shadowed.id
