"""The life of a node: alive while it loads, ready when it has loaded, closed when nobody is answered any more."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.config import Limits
from freehold.engine.base import Answer, Engine, Request
from freehold.engine.opening import open_engine
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError
from freehold.http import App, BodyLimits, Call, Listener, MemoryBudget, Response, Route, bind
from freehold.http.admission import Admission
from freehold.server.app import build
from freehold.server.models import Models, Served, State
from freehold.telemetry import Telemetry

SETTINGS = EngineSettings(tune=False, threads=1)


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
    """A graph [n, 3] -> twice that."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubled", [x], [y])
    path = tmp_path / "doubled.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def served(name: str, opener: Callable[[], Engine]) -> Served:
    memory = MemoryBudget(1 << 28)
    return Served(name, opener, lambda engine: Admission(Limits(), engine.capacity, memory, model=name))


def node(models: Models, on_loaded: Callable[[Models], None] = lambda _: None, **more: Any) -> App:
    limits = BodyLimits(size=1 << 20)
    return build(
        models,
        Telemetry(process=False),
        MemoryBudget(1 << 28),
        entrance=None,
        body_limits=limits,
        grace_s=5.0,
        on_loaded=on_loaded,
        **more,
    )


@contextmanager
def running(app: App) -> Iterator[httpx.Client]:
    """A client of the app in a live server; the block's end stops it."""
    started = threading.Event()
    server = Listener(app, bind("127.0.0.1", 0), grace_s=5.0, on_ready=lambda _: started.set())
    thread = threading.Thread(target=server.run_all)
    thread.start()
    try:
        assert started.wait(30)
        with httpx.Client(base_url=server.address.url, trust_env=False, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


BODY: dict[str, Any] = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}


def test_a_node_that_loads_is_alive_and_not_ready(doubled: Path) -> None:
    """Probes are answered, models are listed as loading, and a request is told to come back."""
    gate = threading.Event()

    def opener() -> Engine:
        assert gate.wait(30)
        return open_engine(doubled, "m", SETTINGS)

    done = threading.Event()
    with running(node(Models([served("m", opener)]), on_loaded=lambda _: done.set())) as client:
        assert client.get("/livez").status_code == 200
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["models"][0]["state"]) == (503, "loading")
        early = client.post("/v2/models/m/infer", json=BODY)
        assert early.status_code == 503
        assert not done.is_set()
        gate.set()
        assert done.wait(30)
        assert client.get("/readyz").status_code == 200
        assert client.post("/v2/models/m/infer", json=BODY).json()["outputs"][0]["data"] == [2, 4, 6]


def test_models_are_loaded_one_after_the_other(doubled: Path) -> None:
    """Two that were tuned at once would measure each other; the end is told once, with all of them."""
    at_once: list[int] = []
    now = threading.Semaphore(1)

    def opener() -> Engine:
        at_once.append(1 if now.acquire(blocking=False) else 2)
        try:
            return open_engine(doubled, "m", SETTINGS)
        finally:
            now.release()

    ended: list[list[State]] = []
    done = threading.Event()

    def on_loaded(models: Models) -> None:
        ended.append([one.state for one in models.all()])
        done.set()

    with running(node(Models([served(name, opener) for name in "abc"]), on_loaded)):
        assert done.wait(30)
    assert at_once == [1, 1, 1]
    assert ended == [[State.READY] * 3]


class Slow(TensorEngine):
    """Holds a request until it is let go, and notes the order of what happens to it."""

    def __init__(self, path: Path, events: list[str]) -> None:
        engine = open_engine(path, "m", SETTINGS)
        assert isinstance(engine, TensorEngine)
        super().__init__(engine._model, SETTINGS)
        self.events = events
        self.entered = threading.Event()
        self.gate = threading.Event()

    def at_once(self, request: Request) -> Answer | None:
        return None

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        self.entered.set()
        await asyncio.to_thread(self.gate.wait, 30)
        answer = await super().infer(request, deadline, later)
        self.events.append("answered")
        return answer

    async def close(self, grace_s: float) -> None:
        self.events.append("closed")
        await super().close(grace_s)


def test_engines_are_closed_after_the_last_answer(doubled: Path) -> None:
    """A request that came before the stop is answered; only then does its engine close."""
    events: list[str] = []
    engine = Slow(doubled, events)
    statuses: list[int] = []
    done = threading.Event()
    models = Models([served("m", lambda: engine)])
    with running(node(models, lambda _: done.set())) as client:
        assert done.wait(30)
        url = str(client.base_url)

        def ask() -> None:
            with httpx.Client(base_url=url, trust_env=False, timeout=30) as other:
                statuses.append(other.post("/v2/models/m/infer", json=BODY).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        assert engine.entered.wait(30)
        threading.Timer(0.3, engine.gate.set).start()
    asking.join(30)
    assert statuses == [200]
    assert events == ["answered", "closed"]
    assert models.all()[0].state is State.STOPPED


def test_a_node_that_stops_while_it_loads_closes_what_it_has(doubled: Path) -> None:
    """The first model is loaded and closed, the second is given up."""
    gate, loading = threading.Event(), threading.Event()
    events: list[str] = []
    engine = Slow(doubled, events)

    def second() -> Engine:
        loading.set()
        gate.wait(30)
        return open_engine(doubled, "second", SETTINGS)

    models = Models([served("first", lambda: engine), served("second", second)])
    with running(node(models)):
        assert loading.wait(30)
        threading.Timer(0.3, gate.set).start()
    assert events == ["closed"]
    assert [one.state for one in models.all()] == [State.STOPPED, State.STOPPED]


def test_a_defect_after_the_loads_is_logged(doubled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the node serves on."""
    told = threading.Event()

    def broken(models: Models) -> None:
        threading.Timer(0.1, told.set).start()
        raise ValueError("no terminal")

    with (
        caplog.at_level(logging.ERROR),
        running(node(Models([served("m", lambda: open_engine(doubled, "m", SETTINGS))]), broken)) as client,
    ):
        assert told.wait(30)
        assert client.post("/v2/models/m/infer", json=BODY).status_code == 200
    assert "no terminal" in caplog.text


def test_a_node_without_models_is_ready_and_says_so() -> None:
    """An app of nothing but health routes still lives and ends."""
    with running(node(Models([]))) as client:
        assert client.get("/readyz").json() == {"ready": True, "models": []}
        assert client.get("/openapi.json").status_code == 200


def test_every_protocol_is_mounted() -> None:
    """OpenAI with and without /v1, Open Inference Protocol, TEI, health, metrics, the document of it all."""
    with running(node(Models([]))) as client:
        for path in ("/v1/models", "/models", "/v2", "/metrics", "/openapi.json", "/v2/health/live"):
            assert client.get(path).status_code == 200, path
        for path in ("/v1/embeddings", "/embeddings", "/v1/rerank", "/v2/rerank", "/rerank", "/embed", "/tokenize"):
            assert client.get(path).status_code == 405, path


def test_what_stands_before_the_routes_and_lives_beside_the_models() -> None:
    """A gateway's routes answer first; its life ends with the node's."""
    lived: list[str] = []

    async def answer(call: Call) -> Response:
        return Response(b'"elsewhere"')

    def front(routes: Sequence[Route]) -> list[Route]:
        route = Route("POST", "/v1/embeddings", answer, "openai", "infer")
        return [route, *(one for one in routes if (one.method, one.path) != (route.method, route.path))]

    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        lived.append("begun")
        yield
        lived.append("ended")

    with running(node(Models([]), front=front, beside=beside)) as client:
        assert client.post("/v1/embeddings", json={}).json() == "elsewhere"
        assert client.get("/v1/models").status_code == 200
        assert lived == ["begun"]
    assert lived == ["begun", "ended"]


@dataclass
class Elsewhere:
    """A model behind another server, as a gateway shows it."""

    id: str = "theirs"
    state: str = "ready"
    vital: bool = False
    error: FreeholdError | None = None
    created: int = 7
    abilities: tuple[str, ...] = ("chat", "vision")


def test_models_elsewhere_are_listed_with_what_they_can_do() -> None:
    """While they answer; readiness shows them always, with why they do not."""
    theirs = Elsewhere()
    with running(node(Models([], [theirs]))) as client:
        (row,) = client.get("/v1/models").json()["data"]
        assert (row["id"], row["created"], row["abilities"]) == ("theirs", 7, ["chat", "vision"])
        assert row["freehold"]["proof"] == "none"
        assert client.get("/v1/models/theirs").json() == row
        theirs.state, theirs.error = "failed", FreeholdError("upstream_unhealthy", model="theirs", status=500)
        assert client.get("/v1/models").json()["data"] == []
        answer = client.get("/v1/models/theirs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unhealthy")
        (state,) = client.get("/readyz").json()["models"]
        assert (state["state"], state["proof"], state["error"]["code"]) == ("failed", "none", "upstream_unhealthy")
