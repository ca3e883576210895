"""Every route of a real node, tried without a key, with a wrong one, of a lesser role, and of another tenant."""

import itertools
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.access import RIGHTS, Keys, Right, Role
from freehold.cli.route_page import every_route
from freehold.config import Config, ModelConfig
from freehold.gateway.build import build as build_gateway
from freehold.gateway.front import Front
from freehold.gateway.routing.selection import Here
from freehold.http import BodyLimits, Entrance, Listener, MemoryBudget, Route, bind
from freehold.http.proxies import TrustedProxies
from freehold.server.app import build
from freehold.server.models import Models, Served
from freehold.telemetry import Telemetry
from tests.crowd import eventually

THEIRS, NOBODY, OURS = "theirs-fp32", "nobody-fp32", "ours-fp32"
ROLES: tuple[Role, ...] = ("viewer", "client", "operator", "admin")
ROUTES = [route for route in every_route() if not route.public]
ALONE = Front(Telemetry(process=False), alone=True)
OF_A_GATEWAY = [route for route in ALONE.routes(every_route()) if not route.public]
ELSEWHERE = "http://127.0.0.1:9/v1"
"""Where nobody answers: what is asked here is known before anybody else is."""
BODY: dict[str, Any] = {
    "input": "x",
    "prompt": "x",
    "text_input": "x",
    "inputs": "x",
    "query": "x",
    "documents": ["x"],
    "texts": ["x"],
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": 4,
}
_addresses = itertools.count(1)


class Node:
    """A real node with a model of everybody, one of the tenant `ours` and one of the tenant `theirs`."""

    def __init__(self, url: str, keys: Keys) -> None:
        self.keys = keys
        self.made: list[str] = []
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def key(self, role: Role, tenant: str = "default", **scope: Any) -> str:
        """A key, made now."""
        key = self.keys.register.create(f"k{len(self.made)}", role, tenant=tenant, **scope)
        self.keys.refresh()
        self.made.append(key)
        return key

    def ask(self, route: Route, key: str | None, model: str = OURS) -> httpx.Response:
        """One request, as of a client that nobody has heard of."""
        names = {"model": model, "version": "1", "repository": "freehold", "region": "r"}
        path = re.sub(r"\{(\w+)\}", lambda found: names[found[1]], route.path)
        number = next(_addresses)
        headers = {"x-forwarded-for": f"10.{number >> 8}.{number & 255}.1"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}" if key else ""
        body = {**BODY, "model": model} if route.method == "POST" and "repository" not in path else None
        if path == "/tei/rerank" or path.endswith("memory/unregister"):
            body = None
        return self.client.request(route.method, path, headers=headers, json=body)


@contextmanager
def node_of(served: list[Served]) -> Iterator[Node]:
    """That node, until the end of the block; without models of its own a gateway to servers elsewhere."""
    telemetry, memory, keys = Telemetry(process=False), MemoryBudget(1 << 28), Keys.in_memory()
    source = "/here" if served else ELSEWHERE
    config = Config(
        models=(
            ModelConfig(id="shared", source=source),
            ModelConfig(id=OURS, source=source, tenant="ours"),
            ModelConfig(id=THEIRS, source=source, tenant="theirs"),
        )
    )
    here = [Here(one.id, lambda one=one: (one.now(), one.error, ())) for one in served]
    gateway = build_gateway(config, telemetry, memory, {}, here=here, alone=not served)
    entrance = Entrance(keys, lambda: gateway.owners, proxies=TrustedProxies(["127.0.0.1"]))
    models = Models(served, gateway.shown)
    limits = BodyLimits(size=1 << 20)
    app = build(
        models,
        telemetry,
        memory,
        entrance=entrance,
        body_limits=limits,
        grace_s=2,
        front=gateway.routes,
        beside=gateway.life,
    )
    started = threading.Event()
    listener = Listener(app, bind("127.0.0.1", 0), grace_s=2, on_ready=lambda _: started.set())
    thread = threading.Thread(target=listener.run_all)
    thread.start()
    try:
        assert started.wait(20)
        node = Node(listener.address.url, keys)
        with node.client:
            if served:
                eventually(models.ready, "the models are loaded")
            yield node
    finally:
        listener.should_exit = True
        thread.join(20)
        keys.close()
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def node(serve_one: Any, model_paths: dict[str, Path]) -> Iterator[Node]:
    """A node whose three models are the same graph."""
    with node_of([serve_one(name, model_paths["fp32"]) for name in ("shared", OURS, THEIRS)]) as one:
        yield one


@pytest.fixture(scope="module")
def gateway() -> Iterator[Node]:
    """A gateway alone, whose three models are elsewhere."""
    with node_of([]) as one:
        yield one


def named(routes: list[Route]) -> Any:
    return pytest.mark.parametrize("route", routes, ids=[f"{route.method} {route.path}" for route in routes])


def code_of(answer: httpx.Response) -> str:
    """The code of an error in any dialect; TEI's and the protocol's stand in brackets, or not at all."""
    error = answer.json().get("error", "")
    return str(error["code"] if isinstance(error, dict) else error)


@named(ROUTES)
def test_no_route_answers_without_a_key_or_with_a_wrong_one(node: Node, route: Route) -> None:
    """401 before anything else is looked at, whatever the body is; an empty header is no key."""
    for key in (None, "", "fh_wrong"):
        answer = node.ask(route, key)
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)


@named(ROUTES)
def test_a_role_without_the_right_is_refused_and_one_with_it_is_let_in(node: Node, route: Route) -> None:
    """403 names the right that is missing."""
    right: Right = route.right or "metadata"
    for role in ROLES:
        answer = node.ask(route, node.key(role, "ours"), NOBODY)
        if right in RIGHTS[role]:
            assert "right" not in code_of(answer) if answer.status_code == 403 else True
        else:
            assert answer.status_code == 403
            assert f"`{right}`" in answer.text


@named([route for route in ROUTES if route.right != "admin"])
def test_a_model_of_another_tenant_answers_as_one_that_does_not_exist(node: Node, route: Route) -> None:
    """In the same words, by path, body, listing and metrics: nothing tells one from the other."""
    role: Role = "operator"
    for scope in ({"tenant": "ours"}, {"tenant": "ours", "models": [OURS]}, {"models": [OURS, "shared"]}):
        key = node.key(role, **scope)
        hidden, missing = node.ask(route, key, THEIRS), node.ask(route, key, NOBODY)
        assert hidden.status_code == missing.status_code
        if route.right != "metrics":
            assert hidden.text.replace(THEIRS, NOBODY) == missing.text
        assert THEIRS not in missing.text


@named(OF_A_GATEWAY)
def test_a_gateway_alone_asks_for_keys_and_rights_and_hides_other_tenants_models(gateway: Node, route: Route) -> None:
    """Its table of paths is its own; a model elsewhere is no less its tenant's than one here."""
    for key in (None, "", "fh_wrong"):
        assert gateway.ask(route, key).status_code == 401
    right: Right = route.right or "metadata"
    for role in ROLES:
        answer = gateway.ask(route, gateway.key(role, "ours"), NOBODY)
        assert (answer.status_code == 403) is (right not in RIGHTS[role])
    for scope in ({"tenant": "ours"}, {"models": [OURS, "shared"]}):
        key = gateway.key("operator", **scope)
        hidden, missing = gateway.ask(route, key, THEIRS), gateway.ask(route, key, NOBODY)
        assert hidden.status_code == missing.status_code
        if right != "metrics":
            assert hidden.text.replace(THEIRS, NOBODY) == missing.text
        assert THEIRS not in missing.text


@named([route for route in ROUTES if "{model}" in route.path and route.right == "metadata"])
def test_a_tenant_is_answered_by_its_own_models_and_by_those_of_all(node: Node, route: Route) -> None:
    """The other side of the wall."""
    key = node.key("client", "theirs")
    for model in (THEIRS, "shared"):
        assert "model_not_found" not in code_of(node.ask(route, key, model))


def test_lists_show_what_a_key_sees(node: Node) -> None:
    """The house's own operators see all of it; nobody else's model stands in anybody's list."""
    listing = Route("GET", "/v1/models", ROUTES[0].endpoint, "openai", "metadata")
    index = Route("POST", "/v2/repository/index", ROUTES[0].endpoint, "oip", "repository")
    metrics = Route("GET", "/metrics", ROUTES[0].endpoint, "plain", "metrics")
    seen = {
        node.key("operator", "ours"): {"shared", OURS},
        node.key("operator", "theirs", models=[THEIRS]): {THEIRS},
        node.key("operator"): {"shared", OURS, THEIRS},
    }
    for key, models in seen.items():
        assert {one["id"] for one in node.ask(listing, key).json()["data"]} == models
        assert {one["name"] for one in node.ask(index, key).json()} == models
        told = set(re.findall(r'model="([^"]+)"', node.ask(metrics, key).text))
        assert told == models


def test_public_paths_tell_nothing_of_tenants(node: Node) -> None:
    """A probe needs no key, and a neighbour reads no names there; with a key it is what that sees."""
    answer = node.client.get("/readyz")
    assert [model["id"] for model in answer.json()["models"]] == ["shared"]
    assert answer.json()["ready"]
    told = node.client.get("/readyz", headers={"api-key": node.key("client", "theirs")}).json()
    assert [model["id"] for model in told["models"]] == ["shared", THEIRS]


def test_a_tenant_may_not_unload_what_others_use(node: Node) -> None:
    """403 for a shared model, and it goes on answering."""
    route = Route("POST", "/v2/repository/models/{model}/unload", ROUTES[0].endpoint, "oip", "repository")
    answer = node.ask(route, node.key("operator", "ours"), "shared")
    assert (answer.status_code, "model_shared" in answer.text) == (403, True)
    ready = Route("GET", "/v2/models/{model}/ready", ROUTES[0].endpoint, "oip", "metadata")
    assert node.ask(ready, node.key("client", "ours"), "shared").status_code == 200


def test_a_revoked_key_is_refused_and_no_key_is_in_any_log(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    """Its next request, that is; and whatever was tried above, logs and answers hold no key."""
    listing = Route("GET", "/v1/models", ROUTES[0].endpoint, "openai", "metadata")
    with caplog.at_level(logging.DEBUG):
        key = node.key("client")
        assert node.ask(listing, key).status_code == 200
        node.keys.register.revoke(f"k{len(node.made) - 1}")
        node.keys.refresh()
        answer = node.ask(listing, key)
        metrics = Route("GET", "/metrics", ROUTES[0].endpoint, "plain", "metrics")
        assert 'code="key_wrong"' in node.ask(metrics, node.key("viewer")).text  # whoever watches, sees guesses
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_wrong")
    assert not [key for key in node.made if key in caplog.text or key in answer.text]
