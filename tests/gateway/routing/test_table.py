"""Shares of routes, and which model a request's id falls to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Config, ModelConfig, Route, RouteTarget, Shadow
from freehold.errors import FreeholdError
from freehold.gateway.routing.table import ModelRoute, RouteTable, Variant, percents, slot

A, B = (ModelConfig(id=name, source=f"http://{name}/v1") for name in "ab")
MANY = tuple(ModelConfig(id=f"m{number}", source="http://h") for number in range(1000))
CANARY = Route(model="chat", to=(RouteTarget("a", 19), RouteTarget("b", 1)), fallback="b", shadow="b", locality="site")


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([1], (100,)),
        ([1, 1, 1], (34, 33, 33)),
        ([95, 5], (95, 5)),
        ([0, 7], (0, 100)),
        ([1, 1000], (0, 100)),
        ([1, 1, 1, 1, 1, 1], (17, 17, 17, 17, 16, 16)),
        ([10**30, 10**30], (50, 50)),
    ],
)
def test_weights_become_whole_percents(weights: list[int], shares: tuple[int, ...]) -> None:
    """What is left over goes to the largest remainders, to earlier ones first."""
    assert percents(weights) == shares


@settings(max_examples=100)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
def test_percents_are_near_their_weights(weights: list[int]) -> None:
    """They sum to 100, and none is a whole percent off."""
    shares = percents(weights)
    assert sum(shares) == 100
    assert all(abs(share - 100 * weight / sum(weights)) < 1 for share, weight in zip(shares, weights, strict=True))


def test_the_slot_is_the_published_hash() -> None:
    """XXH64 of no bytes with seed 0 is ef46db3751d8e999, and the ids of a thousand requests fill every slot."""
    assert slot(b"") == 0xEF46DB3751D8E999 % 100
    assert {slot(b"%d" % number) for number in range(1000)} == set(range(100))


def test_a_variant_takes_its_share_of_slots() -> None:
    """In the order of the route, and one without weight takes none."""
    route = ModelRoute("chat", (Variant("a", 20), Variant("off", 0), Variant("b", 80)))
    assert [route.variant_at(at) for at in (0, 19, 20, 99)] == ["a", "a", "b", "b"]


def test_what_the_configuration_says_of_a_route_is_kept() -> None:
    """And a model without a route has one that is it alone."""
    table = RouteTable.of(Config(models=(A, B), routes=(CANARY,)))
    chat = table.find("chat")
    assert chat.variants == (Variant("a", 95), Variant("b", 5))
    assert (chat.fallback, chat.shadow, chat.balance, chat.locality) == ("b", Shadow("b"), "least", "site")
    assert table.find("a") == ModelRoute("a", (Variant("a", 100),))
    assert list(table.names) == ["chat", "a", "b"]


def test_a_route_stands_before_the_model_of_its_name() -> None:
    """That is how a canary is laid over a model that clients use."""
    route = Route(model="a", to=(RouteTarget("a", 1), RouteTarget("b", 1)))
    assert len(RouteTable.of(Config(models=(A, B), routes=(route,))).find("a").variants) == 2


@pytest.mark.parametrize(
    ("name", "weights", "variants"),
    [
        ("chat", {"a": 1, "b": 1}, (Variant("a", 50), Variant("b", 50))),
        ("chat", {"b": 5}, (Variant("a", 0), Variant("b", 100))),
        ("a", {"a": 95, "b": 5}, (Variant("a", 95), Variant("b", 5))),
        ("chat", {"gone": 5}, (Variant("a", 95), Variant("b", 5))),
        ("chat", {"a": 0, "b": 0}, (Variant("a", 95), Variant("b", 5))),
    ],
)
def test_weights_of_a_rollout_stand_in_place_of_the_files(
    name: str, weights: dict[str, int], variants: tuple[Variant, ...]
) -> None:
    """Also for a model that the route lacks, or that has no route; not for one that is gone, nor when all are 0."""
    table = RouteTable.of(Config(models=(A, B), routes=(CANARY,)), {name: weights, "nobody": {"a": 1}})
    assert table.find(name).variants == variants


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (RouteTable.of(Config(models=(A, B), routes=(CANARY,))), "chat, a, b."),
        (RouteTable.of(Config(models=MANY)), "m62, m63, ... (1000 in all)."),
        (RouteTable({}), "none."),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(table: RouteTable, known: str) -> None:
    """Not with all of a thousand."""
    with pytest.raises(FreeholdError) as raised:
        table.find("x")
    assert raised.value.code == "model_not_found"
    assert raised.value.fix.endswith(known)
