"""grpc.health.v1: of the whole server, of its services, of one that is not there, and while models load."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from freehold.engine.base import Engine
from freehold.protocol.grpc.messages import message
from freehold.server.grpc.health import LOOK_S, LOOKS, pause_s
from freehold.server.models import Served

ANSWER, REQUEST = message("grpc.health.v1.HealthCheckResponse"), message("grpc.health.v1.HealthCheckRequest")
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "grpc.health.v1.Health"])
def test_a_ready_node_serves(open_node: Any, service: str) -> None:
    """The whole server, and its services by their names."""
    with grpc.insecure_channel(open_node.place) as channel:
        answer = channel.unary_unary(CHECK)(REQUEST(service=service).SerializeToString())
    assert ANSWER.FromString(answer).status == ANSWER.SERVING


def test_a_service_that_is_not_there(open_node: Any) -> None:
    """`Check` does not find it; `Watch` says that it does not know it, and goes on."""
    body = REQUEST(service="nobody").SerializeToString()
    with grpc.insecure_channel(open_node.place) as channel:
        with pytest.raises(grpc.RpcError) as told:
            channel.unary_unary(CHECK)(body)
        assert told.value.code() is grpc.StatusCode.NOT_FOUND
        watching = channel.unary_stream(WATCH)(body)
        assert ANSWER.FromString(next(watching)).status == ANSWER.SERVICE_UNKNOWN
        watching.cancel()


def test_who_watches_hears_when_the_models_are_ready(
    serve_grpc: Callable[..., Any], serve_one: Callable[..., Served], model_paths: dict[str, Path]
) -> None:
    """Not serving while one loads, serving when it has ended."""
    served, gate = serve_one("fp32", model_paths["fp32"]), threading.Event()
    opened = served.open

    def slowly() -> Engine:
        gate.wait(30)
        return opened()

    served.open = slowly
    node = serve_grpc([served], wait_loaded=False)
    with grpc.insecure_channel(node.place) as channel:
        watching = channel.unary_stream(WATCH)(b"")
        assert ANSWER.FromString(next(watching)).status == ANSWER.NOT_SERVING
        gate.set()
        assert ANSWER.FromString(next(watching)).status == ANSWER.SERVING
        watching.cancel()


def test_many_who_watch_share_the_looks() -> None:
    """A thousand streams of one connection cost no more than a few."""
    assert pause_s(1) == LOOK_S
    assert 50_000 / pause_s(50_000) <= LOOKS
