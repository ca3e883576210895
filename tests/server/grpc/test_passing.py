"""Names that lead further over gRPC: a route to a model here, and a model that another server computes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

from freehold.config import Config, ModelConfig
from freehold.config.routing import Route, RouteTarget
from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here
from freehold.gateway.running import Gateway
from freehold.http import MemoryBudget
from freehold.server.models import Served
from freehold.telemetry import Telemetry
from tests.crowd import eventually
from tests.server.grpc.conftest import running
from tests.server.grpc.test_service import refused

Tensor = Callable[..., triton.InferInput]
Client = triton.InferenceServerClient


@pytest.fixture(scope="module")
def led(
    open_node: Any, model_paths: dict[str, Path], serve_one: Callable[..., Served]
) -> Iterator[tuple[Client, Gateway]]:
    """A client of a node with the model `fp32`, the route `net` to it, and `far`, which is a model of another node."""
    url = f"http://127.0.0.1:{open_node.server.address.port}/v1"
    made: list[Gateway] = []

    def lead(telemetry: Telemetry, memory: MemoryBudget) -> Gateway:
        config = Config(
            models=(
                ModelConfig(id="fp32", source="/here"),
                ModelConfig(id="far", source=url, upstream_model="bytes"),
                ModelConfig(id="wide", source=url, upstream_model="fp32"),
            ),
            routes=(Route(model="net", to=(RouteTarget("fp32"),)),),
        )
        here = [Here("fp32", lambda: ("ready", None, ()))]
        made.append(build(config, telemetry, memory, {}, here=here))
        return made[0]

    with running([serve_one("fp32", model_paths["fp32"])], lead=lead) as node, Client(node.place) as client:
        (gateway,) = made
        eventually(lambda: all(one.state == "ready" for one in gateway.upstreams), "both are ready", 20)
        yield client, gateway


def test_a_route_leads_to_its_model(led: tuple[Client, Gateway], tensor: Tensor) -> None:
    """By whichever protocol; the answer says which model gave it, and the route has counted it."""
    client, gateway = led
    told: list[tuple[str, str, int]] = []
    gateway.front.note = lambda route, model, status, seconds: told.append((route, model, status))
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    answer = client.infer("net", [tensor("x", array)], request_id="q")
    assert np.array_equal(answer.as_numpy("y"), array)
    assert (answer.get_response().model_name, answer.get_response().id) == ("fp32", "q")
    assert told == [("net", "fp32", 200)]
    assert client.is_model_ready("net")
    assert client.get_model_metadata("net").inputs[0].shape == [-1, 3]
    assert client.get_model_config("net").config.input[0].data_type == 11
    assert client.get_inference_statistics("net").model_stats[0].inference_stats.success.count > 0


def test_a_model_elsewhere_is_asked_there(led: tuple[Client, Gateway], tensor: Tensor) -> None:
    """Its bytes go and come unchanged, large ones too; a stream may ask for it."""
    client, _ = led
    words = np.array([["a", "", "\u4f60\u597d"]], object)
    assert client.infer("far", [tensor("x", words)]).as_numpy("y").tolist() == [[b"a", b"", "\u4f60\u597d".encode()]]
    array = np.arange(60_000, dtype=np.float32).reshape(20_000, 3)
    wanted = [triton.InferRequestedOutput("y")]
    assert np.array_equal(client.infer("wide", [tensor("x", array)], outputs=wanted).as_numpy("y"), array)
    assert client.get_model_metadata("far").inputs[0].datatype == "BYTES"


def test_what_is_wrong_is_told_by_whoever_knows(led: tuple[Client, Gateway], tensor: Tensor) -> None:
    """In the words of the server that has the model, with a status that fits them."""
    client, _ = led
    x = tensor("x", np.zeros((1, 3), np.float32))
    assert refused(lambda: client.infer("far", [x])) == ("INVALID_ARGUMENT", "passed_refused")
    assert refused(lambda: client.infer("net", [tensor("x", np.zeros((1, 4), np.float32))]))[0] == "INVALID_ARGUMENT"
    assert refused(lambda: client.infer("wide", [x], model_version="9")) == ("NOT_FOUND", "passed_unknown")
    assert refused(lambda: client.infer("nobody", [x])) == ("NOT_FOUND", "model_not_found")
