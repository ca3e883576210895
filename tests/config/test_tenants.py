"""Whose the names are that clients ask for."""

from pathlib import Path

import pytest

from freehold.config import Config, ModelConfig, Route, RouteTarget, load, owners
from freehold.errors import FreeholdError

TENANTS = {"a1": "a", "a2": "a", "b1": "b", "all": None}
MODELS = tuple(ModelConfig(id=name, source=f"/{name}", tenant=tenant) for name, tenant in TENANTS.items())


def route(name: str, *to: str, fallback: str | None = None, shadow: str | None = None) -> Route:
    return Route(name, tuple(RouteTarget(one) for one in to), fallback=fallback, shadow=shadow)


def test_what_belongs_to_nobody_is_left_out() -> None:
    """An installation without tenants has nothing to look up."""
    assert not owners(Config(models=MODELS[3:], routes=(route("r", "all"),)))


def test_a_route_is_of_the_tenant_whose_models_see_its_requests() -> None:
    """Its fallback and its shadow do, too; shared models make it nobody's."""
    routes = (
        route("main", "a1", "all"),
        route("after", "all", fallback="a2"),
        route("copied", "all", shadow="b1"),
        route("open", "all"),
    )
    found = owners(Config(models=MODELS, routes=routes))
    assert found == {"a1": "a", "a2": "a", "b1": "b", "main": "a", "after": "a", "copied": "b"}


@pytest.mark.parametrize(
    "more", ["to: [{id: a1}, {id: b1}]", "to: [{id: a1}], fallback: b1", "to: [{id: a1}], shadow: b1"]
)
def test_a_route_to_models_of_two_tenants_is_refused(tmp_path: Path, more: str) -> None:
    """One tenant's requests never reach another one's model, not even as a copy."""
    file = tmp_path / "freehold.yaml"
    file.write_text(
        "models:\n"
        "- {id: a1, source: http://127.0.0.1:1/v1, tenant: a}\n"
        "- {id: b1, source: http://127.0.0.1:2/v1, tenant: b}\n"
        f"routes:\n- {{model: r, {more}}}\n"
    )
    with pytest.raises(FreeholdError) as caught:
        load(str(file), {}, tmp_path)
    assert "a, b" in str(caught.value)
