"""Which of a route's models answers while some cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from freehold.config import Limits, ModelConfig
from freehold.engine.base import Capacity
from freehold.errors import FreeholdError
from freehold.gateway.routing.selection import Absent, Candidate, Here, able, hopeful, in_order, unable
from freehold.gateway.routing.table import ModelRoute, Variant
from freehold.gateway.upstreams.upstream import Upstream
from freehold.http import Admission, MemoryBudget
from freehold.telemetry import Telemetry

ROUTE = ModelRoute("chat", (Variant("a", 60), Variant("off", 0), Variant("b", 40)), fallback="c")


@dataclass(frozen=True)
class Model:
    """One in a given state."""

    id: str
    state: str = "ready"
    error: FreeholdError | None = None
    tripped: bool = False
    abilities: Sequence[str] = ()


def models(**states: str) -> dict[str, Candidate]:
    """Models by name, `tripped` meaning ready and tripped."""
    return {
        name: Model(name, "ready", tripped=True) if state == "tripped" else Model(name, state)
        for name, state in {"a": "ready", "b": "ready", "off": "ready", "c": "ready", **states}.items()
    }


@pytest.mark.parametrize(("first", "names"), [("a", ["a", "b", "c"]), ("b", ["b", "a", "c"]), ("off", ["a", "b", "c"])])
def test_the_next_of_the_route_comes_before_the_fallback(first: str, names: list[str]) -> None:
    """Around in a ring; one without a share is not among them."""
    assert list(in_order(ROUTE, first)) == names
    assert list(in_order(ModelRoute("r", (Variant("a", 100),), fallback="a"), "a")) == ["a"]


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({}, "b"),
        ({"b": "failed"}, "a"),
        ({"b": "loading", "a": "restarting"}, "c"),
        ({"b": "tripped"}, "a"),
        ({"b": "tripped", "a": "tripped", "c": "failed"}, "b"),
        ({"b": "failed", "a": "failed", "c": "failed"}, None),
    ],
)
def test_the_first_that_is_ready_answers(states: dict[str, str], chosen: str | None) -> None:
    """One that fails what it is asked only where there is no other; one without a share never."""
    found = able(ROUTE, "b", models(**states))
    assert (found.id if found else None) == chosen


def test_what_was_tried_is_not_tried_again() -> None:
    """Until none is left."""
    assert able(ROUTE, "a", models(), ["a", "b"]) == models()["c"]
    assert able(ROUTE, "a", models(), ["a", "b", "c"]) is None


def test_models_that_are_gone_are_passed_over() -> None:
    """A request that began under an older configuration may look for them."""
    assert able(ROUTE, "a", {"c": models()["c"]}) == models()["c"]
    assert able(ROUTE, "a", {}) is None


def test_one_that_nothing_is_known_of_is_asked_where_no_other_is_ready() -> None:
    """A gateway that has just been told of a server need not refuse what that could answer."""
    metrics = Telemetry(process=False).model("a")
    admission = Admission(Limits(), lambda: Capacity("requests", 0, 0, 0.0), MemoryBudget(1))
    upstream = Upstream(ModelConfig(id="a", source="http://127.0.0.1:9/v1"), admission, metrics, {})
    assert able(ROUTE, "a", {**models(), "a": upstream}) == models()["b"]
    down = models(b="failed", c="loading")
    assert able(ROUTE, "a", {**down, "a": upstream}) is upstream


@pytest.mark.parametrize(("states", "hope"), [({"b": "loading"}, True), ({"c": "restarting"}, True), ({}, False)])
def test_there_is_hope_while_one_loads(states: dict[str, str], hope: bool) -> None:
    """Also the fallback; not for one that failed, or has no share."""
    down = {"a": "failed", "b": "failed", "c": "failed", "off": "loading", **states}
    assert hopeful(ROUTE, models(**down)) is hope


def test_why_none_answers_is_said_of_each() -> None:
    """With when to come back."""
    broken = Model("a", "failed", FreeholdError("upstream_unhealthy", model="a", status=500))
    error = unable(ROUTE, {**models(b="loading", c="loading"), "a": broken})
    assert (error.code, error.details["retry_after_s"]) == ("route_unready", 2)
    assert "a: The server behind a answers its health check with status 500." in error.cause
    assert "b: b is still loading." in error.cause


def test_of_one_model_its_own_words_are_said() -> None:
    """Its code too, and when to come back where it did not say."""
    alone = ModelRoute("a", (Variant("a", 100),))
    error = unable(alone, {"a": Model("a", "failed", FreeholdError("upstream_unhealthy", model="a", status=500))})
    assert (error.code, error.details["retry_after_s"]) == ("upstream_unhealthy", 2)
    assert unable(alone, {"a": Absent("a")}).code == "model_awaits_restart"


def test_a_model_of_this_process_holds_requests_back_itself() -> None:
    """While its engine processes are replaced it counts as ready."""
    error = FreeholdError("model_loading", model="a")
    assert Here("a", lambda: ("restarting", None, ("embed",))).state == "ready"
    loading = Here("a", lambda: ("loading", error, ()))
    assert (loading.state, loading.error, loading.tripped, loading.abilities) == ("loading", error, False, ())
