"""Where the two APIs lie below a server's URL, and when a server of the Open Inference Protocol is ready."""

from collections.abc import Callable
from typing import Any

import pytest

from freehold.config import ModelConfig
from freehold.gateway.upstreams.probe import Place


@pytest.mark.parametrize(
    ("url", "models", "infer"),
    [
        ("http://h:1/v1", "http://h:1/v1/models", "http://h:1/v2/models/m/infer"),
        ("http://h:1/v2", "http://h:1/v1/models", "http://h:1/v2/models/m/infer"),
        ("http://h:1", "http://h:1/models", "http://h:1/v2/models/m/infer"),
        ("http://h:1/gpu-7/v2", "http://h:1/gpu-7/v1/models", "http://h:1/gpu-7/v2/models/m/infer"),
        ("http://h:1/v1beta", "http://h:1/v1beta/models", "http://h:1/v1beta/v2/models/m/infer"),
    ],
)
def test_both_apis_lie_below_the_root(url: str, models: str, infer: str) -> None:
    """Whichever of them the configuration names; a folder before it belongs to both."""
    place = Place(url)
    assert place.of("models") == models
    assert place.of("v2/models/m/infer") == infer


def test_a_server_of_the_open_inference_protocol_is_ready_by_its_own_word(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """Named by /v2, or found because it lists no models: a 400, as Triton says while it loads, is not ready."""
    server = unruly(models=None, oip=400)
    models = [
        ModelConfig(id="named", source=server.url.replace("/v1", "/v2"), upstream_model="a b"),
        ModelConfig(id="found", source=server.url),
    ]
    node = front(*models)
    for model in models:
        node.wait(model.id, "failed")
        assert node.upstream(model.id).error.code == "upstream_unhealthy"
    server.change(oip=200)
    for model in models:
        node.wait(model.id)
    assert node.ask("named").json() == {"model": "a b"}
    assert server.seen()["seen"][-1]["path"] == "/v1/chat/completions"


def test_a_server_that_lacks_the_model_is_not_ready(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """It lives, and the model that is asked for is not loaded there."""
    server = unruly(models=None, oip=200, unloaded="theirs")
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs", "failed")
    assert node.upstream().error.code == "upstream_model_unready"
    server.change(unloaded="")
    node.wait("theirs")
