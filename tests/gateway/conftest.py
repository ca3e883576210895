"""Servers that behave badly on purpose, and a node that passes requests on to them."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.access import Keys
from freehold.config import Config, Limits, ModelConfig, Network, routing
from freehold.config.routing import Gateway as Sharing
from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here, Look
from freehold.gateway.running import Gateway
from freehold.gateway.upstreams.child import Patience
from freehold.gateway.upstreams.upstream import Upstream
from freehold.http import App, BodyLimits, Call, Entrance, Listener, MemoryBudget, Response, Route, bind
from freehold.telemetry import Telemetry
from tests.crowd import eventually

UNRULY = Path(__file__).with_name("unruly.py")
OWN = ("/v1/chat/completions", "/v1/embeddings", "/rerank", "/v2/models/{model}/infer")
PATIENCE_S = 20.0  # only a broken test waits this long


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Unruly:
    """One such server. It can be ended and started again at its port."""

    def __init__(self, **settings: Any) -> None:
        self.port = free_port()
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What a configuration names."""
        return f"{'https' if 'tls' in self._settings else 'http'}://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, str(UNRULY), str(self.port), json.dumps(self._settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self.port)

    def stop(self) -> None:
        """End it; its port refuses connections from then on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def change(self, **settings: Any) -> None:
        """From now on it answers so."""
        httpx.post(f"http://127.0.0.1:{self.port}/settings", json=settings, trust_env=False).raise_for_status()

    def seen(self) -> dict[str, Any]:
        """The requests that came, and counts."""
        answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/seen", trust_env=False).json()
        return answer


@dataclass
class Front:
    """A node in a thread of its own: a local model `here`, and others behind servers."""

    gateway: Gateway
    url: str
    client: httpx.Client
    telemetry: Telemetry
    memory: MemoryBudget
    loops: list[asyncio.AbstractEventLoop]

    def upstream(self, model: str = "theirs") -> Upstream:
        """What the node knows of a model."""
        return next(upstream for upstream in self.gateway.upstreams if upstream.id == model)

    def look(self, model: str = "theirs") -> None:
        """Have it looked after now, as a request that failed would."""
        self.loops[0].call_soon_threadsafe(self.upstream(model).suspect)

    def in_flight(self) -> int:
        """Requests that have been passed on and not been answered."""
        return sum(upstream.admission.in_flight for upstream in self.gateway.upstreams)

    def ask(self, model: str, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
        """POST a JSON body."""
        return self.client.post(path, json={"model": model, **fields})

    def wait(self, model: str, state: str = "ready") -> None:
        """Until the node knows that."""
        upstream = self.upstream(model)
        eventually(lambda: upstream.state == state, f"{model} becomes {state}", PATIENCE_S)


async def _local(call: Call) -> Response:
    named = b', "path_model": "%b"' % call.params["model"].encode() if call.params else b""
    return Response(b'{"local": %b%b}' % (await call.body() or b"null", named))


@contextmanager
def fronting(
    *models: ModelConfig,
    body_limits: BodyLimits = BodyLimits(size=32 << 20),  # noqa: B008 - frozen
    memory_bytes: int = 1 << 28,
    environ: dict[str, str] | None = None,
    patience: Patience = Patience(startup_s=PATIENCE_S, grace_s=5.0, pause_s=0.05),  # noqa: B008 - frozen
    network: Network = Network(),  # noqa: B008 - frozen
    sharing: Sharing = Sharing(),  # noqa: B008 - frozen
    routes: tuple[routing.Route, ...] = (),
    grace_s: float = 2.0,
    alone: bool = False,
    look: Look = lambda: ("ready", None, ("chat",)),
    keys: Keys | None = None,
    entrance: Entrance | None = None,
) -> Iterator[Front]:
    """A node with these models behind others, and unless it is `alone` the model `here` of its own, as `look` says.
    With `keys` it asks for one, or lets in who passes its `entrance`."""
    telemetry, memory = Telemetry(process=False), MemoryBudget(memory_bytes)
    every = models if alone else (ModelConfig(id="here", source="/here"), *models)
    config = Config(models=every, routes=routes, network=network, gateway=sharing)
    here = [] if alone else [Here("here", look)]
    gateway = build(config, telemetry, memory, environ or {}, patience, here=here, alone=alone)
    own = [Route("POST", path, _local, "openai", "infer") for path in OWN]
    loops: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        loops.append(asyncio.get_running_loop())
        async with gateway.life():
            yield

    app = App(
        gateway.routes(own),
        telemetry=telemetry,
        memory=memory,
        body_limits=body_limits,
        lifespan=life,
        grace_s=grace_s,
        entrance=entrance if keys is None else Entrance(keys, lambda: gateway.owners),
    )
    started = threading.Event()
    server = Listener(app, bind("127.0.0.1", 0), grace_s=grace_s, on_ready=lambda _: started.set())
    thread = threading.Thread(target=server.run_all)
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        with httpx.Client(base_url=server.address.url, trust_env=False, timeout=PATIENCE_S) as client:
            yield Front(gateway, server.address.url, client, telemetry, memory, loops)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert memory.used == 0, "a request did not give its memory back"


@pytest.fixture(scope="session")
def soon() -> Callable[..., Any]:
    """`soon(found, "what is waited for")` waits until `found()` is true."""

    def wait(found: Callable[[], Any], what: str = "it comes true") -> Any:
        return eventually(found, what)

    return wait


@pytest.fixture
def unruly() -> Iterator[Callable[..., Unruly]]:
    """Starts servers that behave as they are told: `unruly(models=..., key=...)`."""
    with ExitStack() as started:

        def start(**settings: Any) -> Unruly:
            one = Unruly(**settings)
            started.callback(one.stop)
            return one

        yield start


@pytest.fixture(scope="session")
def node_of() -> Callable[..., Any]:
    """`with node_of(ModelConfig(...), ...) as node:` a node that ends with the block."""
    return fronting


@pytest.fixture
def front() -> Iterator[Callable[..., Front]]:
    """Starts nodes: `front(ModelConfig(...), ..., memory_bytes=...)`."""
    with ExitStack() as started:
        yield lambda *models, **settings: started.enter_context(fronting(*models, **settings))


@pytest.fixture(scope="session")
def shared_unruly() -> Iterator[Unruly]:
    """One such server, for all tests that neither change nor end it; it says that it is vLLM."""
    one = Unruly(models=[{"id": "theirs/x", "owned_by": "vllm"}])
    yield one
    one.stop()


@pytest.fixture(scope="session")
def node(shared_unruly: Unruly) -> Iterator[Front]:
    """A node before it, whose `slow` gives up after 0.3 s."""
    patient = ModelConfig(id="theirs", source=shared_unruly.url)
    slow = ModelConfig(id="slow", source=shared_unruly.url, limits=Limits(deadline_s=0.3))
    with fronting(patient, slow) as one:
        one.wait("theirs")
        one.wait("slow")
        yield one
