"""The life of a node: health answers while models load, and everything closes in the end."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from freehold.config import Limits
from freehold.engine.base import Engine
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.http import App, BodyLimits, MemoryBudget
from freehold.http.admission import Admission
from freehold.server.app import build
from freehold.server.models import Models, Served, State
from freehold.telemetry import Telemetry


class House:
    """A node over one identity graph whose opening waits for `gate`."""

    def __init__(self, graph: Path, on_loaded: Callable[[Models], None] = lambda _models: None) -> None:
        self.gate = threading.Event()
        self.memory = MemoryBudget(1 << 20)

        def opened() -> Engine:
            assert self.gate.wait(10)
            return open_graph_file(graph, "same", EngineSettings(tune=False))

        self.served = Served("same", opened, self._admission)
        self.app: App = build(
            Models([self.served]),
            Telemetry(process=False),
            self.memory,
            check_access=None,
            body_limits=BodyLimits(),
            grace_s=1.0,
            on_loaded=on_loaded,
        )

    def _admission(self, capacity: Any) -> Admission:
        return Admission(Limits(), capacity, self.memory, model="same")


async def lifespan(app: App, during: Callable[[httpx.AsyncClient], Any]) -> None:
    """Run the app's lifespan as a server does, and `during` in the middle of it."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        await during(client)
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await living


def test_health_answers_while_models_load(model_paths: dict[str, Path]) -> None:
    """Alive at once, ready only when the model is; afterwards it is closed."""
    ended = threading.Event()
    house = House(model_paths["fp32"], on_loaded=lambda _models: ended.set())

    async def during(client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).status_code == 200
        loading = await client.get("/readyz")
        assert (loading.status_code, loading.json()["models"][0]["state"]) == (503, "loading")
        house.gate.set()
        assert await asyncio.to_thread(ended.wait, 10)
        assert (await client.get("/readyz")).status_code == 200

    asyncio.run(lifespan(house.app, during))
    assert house.served.state is State.STOPPED


def test_a_node_may_leave_before_its_models_are_loaded(model_paths: dict[str, Path]) -> None:
    """A start that is cut short ends without an error."""
    house = House(model_paths["fp32"])

    async def during(client: httpx.AsyncClient) -> None:
        assert (await client.get("/livez")).status_code == 200
        house.gate.set()

    asyncio.run(lifespan(house.app, during))


def test_every_protocol_is_mounted(model_paths: dict[str, Path]) -> None:
    """OpenAI with and without /v1, Open Inference Protocol, TEI, health, metrics, the document of it all."""
    house = House(model_paths["fp32"])
    house.gate.set()

    async def during(client: httpx.AsyncClient) -> None:
        for path in ("/v1/models", "/models", "/v2", "/metrics", "/openapi.json", "/v2/health/live"):
            assert (await client.get(path)).status_code == 200, path
        for path in ("/v1/embeddings", "/embeddings", "/v1/rerank", "/v2/rerank", "/rerank", "/embed", "/tokenize"):
            assert (await client.get(path)).status_code == 405, path

    asyncio.run(lifespan(house.app, during))
