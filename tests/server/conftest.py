"""One live node with a model of each kind, for the tests of all endpoints."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.config import Limits
from freehold.engine.base import Array, Engine
from freehold.engine.decoder_session import Row
from freehold.engine.opening import open_artifact, open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine
from freehold.http import BodyLimits, Listener, MemoryBudget, bind
from freehold.http.admission import Admission
from freehold.server import served as served_module
from freehold.server.app import build
from freehold.server.dataplane import batch_observer, step_observer
from freehold.server.models import Models, Served
from freehold.server.statistics import Statistics
from freehold.telemetry import Telemetry
from tests.server.places import write_times

SETTINGS = EngineSettings(tune=False, threads=1)
TYPES = {
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "BOOL": TensorProto.BOOL,
    "BYTES": TensorProto.STRING,
}


def write_identity(path: Path, datatype: str) -> Path:
    """A graph [n, 3] -> the same, in any datatype that the protocol has."""
    x = helper.make_tensor_value_info("x", TYPES[datatype], ["n", 3])
    y = helper.make_tensor_value_info("y", TYPES[datatype], ["n", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write_log(path: Path) -> Path:
    """A graph [n, 3] -> its logarithm, which is not finite for 0 and below."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("Log", ["x"], ["y"])], "log", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def served(name: str, path: Path, version: str = "1") -> Served:
    """A model of this node: an artifact folder or a bare graph, and what counts its runs."""
    opener = partial(open_artifact, path) if path.is_dir() else partial(open_graph_file, path, name)
    memory, metrics, statistics = MemoryBudget(1 << 28), Telemetry(process=False).model(name), Statistics()
    batches, steps = batch_observer(metrics, statistics), step_observer(metrics, statistics)
    return Served(
        name,
        lambda: opener(replace(SETTINGS, on_batch=batches, on_step=steps)),
        lambda engine: Admission(Limits(), engine.capacity, memory, model=name),
        version=version,
        statistics=statistics,
    )


@contextmanager
def running(models: list[Served] | Models, **more: Any) -> Iterator[str]:
    """The URL of a server that runs these models in a thread; loading may still go on. `more` goes to its `build`."""
    telemetry = Telemetry(process=False)
    limits = BodyLimits(size=8 << 20)
    known = models if isinstance(models, Models) else Models(models)
    app = build(known, telemetry, MemoryBudget(1 << 28), entrance=None, body_limits=limits, grace_s=5.0, **more)
    started = threading.Event()
    server = Listener(app, bind("127.0.0.1", 0), grace_s=5.0, on_ready=lambda _: started.set())
    thread = threading.Thread(target=server.run_all)
    thread.start()
    try:
        assert started.wait(30)
        yield server.address.url
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def wait_ready(client: httpx.Client) -> None:
    """Until loading has ended, one way or the other."""
    while any(model["state"] == "loading" for model in client.get("/readyz").json()["models"]):
        time.sleep(0.02)


@pytest.fixture(scope="session")
def model_paths(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, tiny_reranker_folder: Path
) -> dict[str, Path]:
    """An embedding, a rerank and several tensor models on disk, by id."""
    folder = tmp_path_factory.mktemp("served")
    identities = {name.lower(): write_identity(folder / f"{name.lower()}.onnx", name) for name in TYPES}
    return {
        "tiny": graphs.build(tiny_bert_folder, folder / "cache"),
        "judge": graphs.build(tiny_reranker_folder, folder / "cache"),
        "log": write_log(folder / "log.onnx"),
        **identities,
    }


@pytest.fixture(scope="session")
def serve_one() -> Callable[..., Served]:
    """`serve_one(name, path)` is a model of a node, for tests that compose their own."""
    return served


@pytest.fixture(scope="session")
def node_url(model_paths: dict[str, Path]) -> Iterator[str]:
    """The URL of a node that serves all of `model_paths` and is ready."""
    with running([served(name, path) for name, path in model_paths.items()]) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        yield url


@pytest.fixture
def node(node_url: str) -> Iterator[httpx.Client]:
    """A client of the node that serves all models."""
    with httpx.Client(base_url=node_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def serve_only(model_paths: dict[str, Path]) -> Iterator[Callable[..., httpx.Client]]:
    """`serve_only("tiny", other=path)` is a client of a fresh node with just these models, their loading ended."""
    with ExitStack() as stack:

        def serve(*names: str, **others: Path) -> httpx.Client:
            paths = {**{name: model_paths[name] for name in names}, **others}
            url = stack.enter_context(running([served(name, path) for name, path in paths.items()]))
            client = stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))
            wait_ready(client)
            return client

        yield serve


@pytest.fixture(scope="session")
def talker_path(tmp_path_factory: pytest.TempPathFactory, tiny_decoder: Callable[..., Path]) -> Path:
    """The artifact of a decoder of random weights whose template knows tools, and reasoning where it is asked for."""
    folder = tiny_decoder(max_position_embeddings=2048)
    shutil.copy(Path(__file__).parents[1] / "e2e" / "chat" / "chat_template.jinja", folder / "chat_template.jinja")
    return graphs.build(folder, tmp_path_factory.mktemp("talker"))


@pytest.fixture(scope="session")
def talker(talker_path: Path) -> Iterator[Served]:
    """That decoder, loaded."""

    def admission(engine: Engine) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(1 << 28), kind="generate", model="talker")

    one = Served("talker", lambda: open_artifact(talker_path, SETTINGS), admission)
    with asyncio.Runner() as runner:
        runner.run(one.load())
        yield one
        runner.run(one.close(0))


@pytest.fixture(scope="session")
def text_node_url(talker_path: Path, model_paths: dict[str, Path]) -> Iterator[str]:
    """The URL of a node that serves it as `talker`, beside an embedding model."""
    with running([served("talker", talker_path), served("tiny", model_paths["tiny"])]) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        yield url


@pytest.fixture
def text_node(text_node_url: str) -> Iterator[httpx.Client]:
    """A client of that node."""
    with httpx.Client(base_url=text_node_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def crashing(talker_path: Path) -> Iterator[tuple[httpx.Client, Callable[[], None]]]:
    """A client of a node of its own that serves it, and what makes the next step of its engine fail."""
    one = served("talker", talker_path)

    def crash() -> None:
        session = cast(OnnxTextEngine, one.engine)._loop._session
        sound = session.decode

        def broken(rows: list[Row]) -> Array:
            session.decode = sound
            return sound([rows[0]._replace(token=10**6)])  # no such token: the graph refuses it

        session.decode = broken

    with running([one]) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        wait_ready(client)
        yield client, crash


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for just now counts as busy for a moment only."""
    monkeypatch.setattr(served_module, "LINGER_S", 0.02)


@pytest.fixture
def times(tmp_path: Path) -> Callable[[float], Path]:
    """Writes graphs [n, 1] -> so many times that."""
    return lambda factor: write_times(tmp_path / f"times{factor:g}.onnx", factor)
