"""One node: what every verb that listens does the same way."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.access import Database, Register
from tests.crowd import eventually

Serve = Callable[..., Any]


def test_a_route_over_a_model_of_this_node_is_answered(serve: Serve, folder: Path, mlp: Path) -> None:
    """Named in the path, and shown beside the models."""
    models = [{"id": "one", "source": str(mlp)}, {"id": "two", "source": str(mlp)}]
    routes = [{"model": "both", "to": [{"id": "one", "weight": 0}, {"id": "two"}]}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": models, "routes": routes}))
    running = serve()
    rows = {row["id"]: row for row in running.banner["models"]}
    assert (rows["both"]["to"], rows["both"]["state"]) == (["two"], "ready")
    status, metadata = running.ask("GET", "/v2/models/both")
    assert (status, metadata["name"]) == (200, "two")
    assert running.ask("GET", "/v2/models/both?model_id=one")[0] == 400
    assert running.leave() == 0


def test_routes_do_not_keep_a_node_alive_that_has_no_model(serve: Serve, folder: Path) -> None:
    """When no model can be loaded it leaves, and says why."""
    (folder / "a.onnx").write_bytes(b"no graph")
    routes = [{"model": "r", "to": [{"id": "a"}]}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"id": "a", "source": "a.onnx"}], "routes": routes}))
    running = serve()
    assert running.process.wait(30) == 1
    assert "nothing_loaded" in running.err.read_text()


def test_the_key_of_the_configuration_opens_the_door_and_stays_a_secret(serve: Serve, folder: Path, mlp: Path) -> None:
    """Read from its file at the start, asked for on loopback, too; it is nowhere in what the node says."""
    (folder / "key").write_text("between-gateway-and-unit\n")
    access = {"key": "${file:key}"}
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"source": str(mlp)}], "access": access}))
    running = serve()
    assert running.ask("GET", "/v1/models")[0] == 401
    assert running.ask("GET", "/v1/models", key="wrong")[0] == 401
    assert running.ask("GET", "/v1/models", key="between-gateway-and-unit")[0] == 200
    assert running.ask("GET", "/readyz")[0] == 200
    assert not (folder / "home" / "initial-key").exists()
    assert running.leave() == 0
    assert "between-gateway-and-unit" not in running.err.read_text()


def test_the_door_of_loopback_closes_with_the_first_key_and_stays_closed(serve: Serve, folder: Path, mlp: Path) -> None:
    """While the server runs, and soon; where its keys cannot be looked at it goes on with those that it knows, and
    `/readyz` says so; a model that is loaded for a tenant is that tenant's from the start."""
    running, home = serve(mlp), folder / "home"
    assert "FREEHOLD_KEY" not in running.banner["example"]
    assert running.ask("GET", "/v1/models")[0] == 200
    with Database.open(home) as database:
        register = Register(database)
        operator = register.create("operator", "operator")
        theirs, ours = (register.create(tenant, "client", tenant=tenant) for tenant in ("theirs", "ours"))
        watching = {one: register.create(f"{one}-watch", "viewer", tenant=one) for one in ("theirs", "ours")}
    eventually(lambda: running.ask("GET", "/v1/models")[0] == 401, "the door closes")
    eventually(lambda: running.ask("GET", "/v1/models", key=ours)[0] == 200, "the keys count")
    stated = {"source": {"string_value": str(mlp)}, "tenant": {"string_value": "ours"}}
    load = {"parameters": {"config": json.dumps({"parameters": stated})}}
    assert running.ask("POST", "/v2/repository/models/private/load", load, key=operator)[0] == 200
    seen = {key: running.ask("GET", "/v2/models/private", key=key)[0] for key in (ours, theirs, operator)}
    assert seen == {ours: 200, theirs: 404, operator: 200}
    row = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.5] * 16}]}
    assert running.ask("POST", "/v2/models/private/infer", row, key=ours)[0] == 200

    def used(tenant: str) -> set[str]:
        """Whose usage a key of that tenant sees."""
        text = str(running.ask("GET", "/metrics", key=watching[tenant])[1])
        return set(re.findall(r'freehold_usage_requests_total{[^}]*tenant="([^"]*)"', text))

    eventually(lambda: used("ours"), "usage is counted")
    assert (used("ours"), used("theirs")) == ({"ours"}, set())
    home.rename(folder / "away")
    eventually(lambda: "keys_unfollowed" in str(running.ask("GET", "/readyz")), "it is told")
    assert (running.ask("GET", "/v1/models", key=ours)[0], running.ask("GET", "/v1/models")[0]) == (200, 401)
    assert running.leave() == 0


def test_a_key_that_is_not_there_ends_the_start(serve: Serve, folder: Path, mlp: Path) -> None:
    """A node that cannot know its key must not be open instead."""
    access = {"key": "${file:nowhere}"}
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"source": str(mlp)}], "access": access}))
    running = serve()
    assert running.process.wait(30) == 1
    assert "secret_missing" in running.err.read_text()
