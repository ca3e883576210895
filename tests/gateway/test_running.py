"""A gateway whose configuration changes while it runs."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from freehold.config import Config, ModelConfig, Route, RouteTarget
from freehold.config.routing import Gateway as Sharing
from freehold.errors import FreeholdError
from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here
from freehold.gateway.running import Gateway
from freehold.http import MemoryBudget
from freehold.telemetry import Telemetry

A, B = (ModelConfig(id=name, source=f"http://127.0.0.1:9/{name}/v1") for name in "ab")
LOCAL = ModelConfig(id="here", source="/here")


def made(*models: ModelConfig, routes: tuple[Route, ...] = (), alone: bool = False) -> Gateway:
    """A gateway that does not run."""
    here = [] if alone else [Here("here", lambda: ("ready", None, ("chat", "tools")))]
    config = Config(models=models, routes=routes)
    return build(config, Telemetry(process=False), MemoryBudget(1 << 20), {}, here=here, alone=alone)


def adopted(node: Any, config: Config, weights: dict[str, dict[str, int]] | None = None) -> None:
    """Have a running node adopt it, where its requests are answered."""
    done = threading.Event()

    def adopt() -> None:
        node.gateway.adopt(config, weights or {})
        done.set()

    node.loops[0].call_soon_threadsafe(adopt)
    assert done.wait(10)


def test_what_is_not_said_otherwise_stays() -> None:
    """A model keeps what is known of it; one that changed, or is shared otherwise, is made anew."""
    gateway = made(A, B, alone=True)
    a, b = gateway.upstreams
    gateway.adopt(Config(models=(A, B), routes=(Route("chat", (RouteTarget("a"),)),)), {"chat": {"b": 1}})
    assert gateway.upstreams == [a, b]
    assert [variant.percent for variant in gateway.front.table.find("chat").variants] == [0, 100]
    gateway.adopt(Config(models=(A, ModelConfig(id="b", source=A.source))))
    assert gateway.upstreams[0] is a
    assert gateway.upstreams[1] is not b
    gateway.adopt(Config(models=(A,), gateway=Sharing(retries=0)))
    assert [upstream.id for upstream in gateway.upstreams] == ["a"]
    assert gateway.upstreams[0] is not a


def test_routes_are_shown_beside_the_models() -> None:
    """In one list that stays the same; a route that has a model's name is shown as the model."""
    gateway = made(A, LOCAL, routes=(Route("chat", (RouteTarget("here"), RouteTarget("a", 0))), Route("a", ())))
    shown = gateway.shown
    assert [one.id for one in shown] == ["a", "chat"]
    route = shown[1]
    assert (route.state, route.error, route.vital, route.abilities) == ("ready", None, False, ["chat", "tools"])
    gateway.adopt(Config(models=(A, LOCAL)))
    assert [one.id for one in shown] == ["a"]
    assert gateway.shown is shown


def test_a_route_that_nobody_can_answer_says_why() -> None:
    """In /readyz, as to a client."""
    gateway = made(A, LOCAL)
    gateway.adopt(
        Config(models=(A, LOCAL, ModelConfig(id="new", source="/new")), routes=(Route("r", (RouteTarget("new"),)),))
    )
    (route,) = (one for one in gateway.shown if one.id == "r")
    assert (route.state, route.abilities) == ("failed", [])
    assert route.error is not None
    assert route.error.code == "model_awaits_restart"


def test_a_node_that_does_not_look_at_names_takes_no_routes_up() -> None:
    """It says so, and goes on as it was."""
    gateway = made(LOCAL)
    assert not gateway.is_in_front
    assert gateway.routes([]) == []
    with pytest.raises(FreeholdError) as raised:
        gateway.adopt(Config(models=(LOCAL, A)))
    assert raised.value.code == "gateway_not_in_front"
    assert list(gateway.front.table.names) == ["here"]


def test_nothing_is_dropped_when_routes_change(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """An answer under way ends where it is, though its model is gone; the next request goes by the new routes."""
    old, new = unruly(models=[{"id": "old"}]), unruly(models=[{"id": "new"}])
    before, after = ModelConfig(id="old", source=old.url), ModelConfig(id="new", source=new.url)
    node = front(before, routes=(Route("chat", (RouteTarget("old"),)),))
    node.wait("old")
    behave = {"kind": "stream", "chunks": ["data: 1\n\n"], "times": 20, "pause": 0.02}
    with node.client.stream("POST", "/v1/chat/completions", json={"model": "chat", "behave": behave}) as answer:
        frames = answer.iter_text()
        assert "data: 1" in next(frames)
        adopted(node, Config(models=(LOCAL, after), routes=(Route("chat", (RouteTarget("new"),)),)))
        assert node.ask("chat").headers["x-freehold-model"] == "new"
        assert node.ask("old").status_code == 404
        assert "".join(frames).count("data: 1") >= 18
    node.wait("new")
    assert 'freehold_model_ready{model="old"}' not in node.telemetry.exposition()[0].decode()


def test_thousands_of_routes_change_at_once(
    front: Callable[..., Any], shared_unruly: Any, soon: Callable[..., Any]
) -> None:
    """While requests are answered, each by one of the two tables."""
    model = ModelConfig(id="one", source=shared_unruly.url, upstream_model="theirs/x")
    other = ModelConfig(id="two", source=shared_unruly.url, upstream_model="theirs/x")
    tables = [tuple(Route(f"r{n}", (RouteTarget(name),)) for n in range(1000)) for name in ("one", "two")]
    node = front(model, other, routes=tables[0])
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=node.url, trust_env=False) as client:
            while not over.is_set():
                statuses.append(client.post("/v1/embeddings", json={"model": "r999"}).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    for number, table in enumerate((tables[1], tables[0], tables[1]), 1):
        soon(lambda wanted=5 * number: len(statuses) > wanted)
        adopted(node, Config(models=(LOCAL, model, other), routes=table))
        assert node.ask("r999").headers["x-freehold-model"] == table[0].to[0].id
    over.set()
    asking.join(10)
    assert set(statuses) == {200}


def test_two_gateways_that_name_each_other_are_found(front: Callable[..., Any]) -> None:
    """The request ends where it has gone round often enough, and says so."""
    node = front(A)
    adopted(node, Config(models=(LOCAL, ModelConfig(id="a", source=f"{node.url}/v1"))))
    answer = node.ask("a")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "gateway_loop")
