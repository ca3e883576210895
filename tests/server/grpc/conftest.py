"""A node that answers gRPC beside HTTP, open or behind keys, in a thread of the test's process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

from freehold.access import Keys
from freehold.gateway.running import Gateway
from freehold.http import BodyLimits, Entrance, Listener, MemoryBudget, bind
from freehold.server.app import build
from freehold.server.grpc.listener import GrpcListener
from freehold.server.models import Models, Served
from freehold.telemetry import Telemetry

MEGABYTE = 1 << 20


@dataclass
class GrpcNode:
    """A running node: where it answers, what it serves and counts."""

    place: str
    listener: GrpcListener
    server: Listener
    models: Models
    telemetry: Telemetry

    def metrics(self) -> str:
        """What it counted, as a scraper reads it."""
        return self.telemetry.exposition()[0].decode()


@contextmanager
def running(
    served: list[Served],
    keys: Keys | None = None,
    grace_s: float = 5.0,
    wait_loaded: bool = True,
    entrance: Entrance | None = None,
    lead: Callable[[Telemetry, MemoryBudget], Gateway] | None = None,
    **more: Any,
) -> Iterator[GrpcNode]:
    """A node with these models, its loading ended unless told; `lead` makes the gateway before them; `more` goes to
    its listener of gRPC."""
    telemetry, memory = Telemetry(process=False), MemoryBudget(64 * MEGABYTE)
    entrance = entrance if keys is None else Entrance(keys)
    gateway = None if lead is None else lead(telemetry, memory)
    models = Models(served, () if gateway is None else gateway.shown)
    if gateway is not None:
        more["leads"] = gateway.leads
    listener = GrpcListener(
        bind("127.0.0.1", 0),
        entrance=entrance,
        telemetry=telemetry,
        memory=memory,
        grace_s=grace_s,
        limits=BodyLimits(MEGABYTE),
        **more,
    )
    loaded, started = threading.Event(), threading.Event()
    app = build(
        models,
        telemetry,
        memory,
        entrance=entrance,
        body_limits=BodyLimits(),
        grace_s=grace_s,
        on_loaded=lambda _: loaded.set(),
        other_port=listener.life,
        front=list if gateway is None else gateway.routes,
        beside=nullcontext if gateway is None else gateway.life,
    )
    server = Listener(
        app, bind("127.0.0.1", 0), grace_s=grace_s, on_ready=lambda _: started.set(), on_drain=listener.drain
    )
    thread = threading.Thread(target=server.run_all)
    thread.start()
    try:
        assert started.wait(30)
        assert not wait_loaded or loaded.wait(30)
        yield GrpcNode(listener.place, listener, server, models, telemetry)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def open_node(model_paths: dict[str, Path], serve_one: Callable[..., Served]) -> Iterator[GrpcNode]:
    """A node without keys, with a model of every kind and datatype."""
    with running([serve_one(name, path) for name, path in model_paths.items()]) as node:
        yield node


@pytest.fixture
def client(open_node: GrpcNode) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of that node."""
    with triton.InferenceServerClient(open_node.place) as one:
        yield one


@pytest.fixture
def serve_grpc() -> Iterator[Callable[..., GrpcNode]]:
    """`serve_grpc(models, keys=..., ...)`: a node of its own with these models."""
    with ExitStack() as stack:
        yield lambda models, **more: stack.enter_context(running(models, **more))


@pytest.fixture
def serve(
    serve_grpc: Callable[..., GrpcNode], model_paths: dict[str, Path], serve_one: Callable[..., Served]
) -> Callable[..., GrpcNode]:
    """`serve("fp32", keys=..., ...)`: the same with models of `model_paths`."""
    return lambda *names, **more: serve_grpc([serve_one(name, model_paths[name]) for name in names], **more)


@pytest.fixture(scope="session")
def tensor() -> Callable[..., triton.InferInput]:
    """`tensor("x", array)`: an input of Triton's client; `datatype` where numpy's does not tell it."""

    def one(name: str, array: Any, datatype: str = "") -> triton.InferInput:
        known = {"float32": "FP32", "float16": "FP16", "float64": "FP64", "bool": "BOOL", "object": "BYTES"}
        array = np.asarray(array)
        found = triton.InferInput(name, array.shape, datatype or known.get(str(array.dtype), str(array.dtype).upper()))
        found.set_data_from_numpy(array)
        return found

    return one
