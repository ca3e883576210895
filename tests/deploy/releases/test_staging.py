"""What moves from one release to another, and what the gateway is told meanwhile."""

import hashlib

import yaml

from freehold.config import Config, ModelConfig, Route, RouteTarget
from freehold.deploy.releases.staging import added, digest, final, hosts, moves, staged
from freehold.deploy.services.deployment import Deployment
from tests.deploy.world import deployment


def test_only_models_of_both_whose_service_differs_move() -> None:
    """What is new, what is gone and what stays does not."""
    old, new = deployment("fp32", "fp32"), deployment("bf16", "fp32", "fp32")
    (move,) = moves(old, new)
    assert (move.model, move.old, move.new) == ("a", old.units[0], new.units[0])
    assert move.coming == f"a--{new.units[0].revision}"
    assert moves(new, deployment("bf16")) == ()


def test_what_runs_already_is_not_added() -> None:
    """Of a first release everything is."""
    old, new = deployment("fp32", "fp32"), deployment("bf16", "fp32")
    assert added(None, new) == new.units
    assert added(old, new) == new.units[:1]


def test_at_each_stage_both_versions_share_the_requests() -> None:
    """At 0 % the new one can be asked by its name, and is in no route."""
    old, new = deployment("fp32"), deployment("bf16")
    (move,) = moves(old, new)
    nothing, half = (yaml.safe_load(staged(old, new, percent)) for percent in (0, 50))
    assert [model["id"] for model in nothing["models"]] == ["a", move.coming]
    assert "routes" not in nothing
    (route,) = half["routes"]
    assert route == {"model": "a", "to": [{"id": "a", "weight": 50}, {"id": move.coming, "weight": 50}]}
    assert move.coming not in final(new)


def test_a_route_that_shares_models_shares_their_versions() -> None:
    """Each has its part of the part."""

    def routed(precision: str) -> Deployment:
        models = (
            ModelConfig(id="a", source="/models/a", precision=precision),  # type: ignore[arg-type]  # one of its words
            ModelConfig(id="b", source="/models/b"),
        )
        return Deployment.of(Config(models=models, routes=(Route("chat", (RouteTarget("a", 3), RouteTarget("b"))),)))

    old, new = routed("fp32"), routed("bf16")
    (chat, _) = yaml.safe_load(staged(old, new, 100))["routes"]
    (move,) = moves(old, new)
    weights = {target["id"]: target.get("weight", 1) for target in chat["to"]}
    assert weights == {"a": 0, move.coming: 75, "b": 25}


def test_a_text_is_known_by_its_sha256() -> None:
    """As the gateway tells it."""
    assert digest("a: 1\n") == hashlib.sha256(b"a: 1\n").hexdigest()
    assert hosts(deployment("fp32").units)[0].startswith("a-")
