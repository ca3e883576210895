"""When a request's turn comes: its priority, and how long it waits at most."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from freehold.engine.base import Answer, Array, Request
from freehold.engine.opening import open_graph_file
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from tests.conformance.calls import proves
from tests.conformance.graphs import TYPES, write
from tests.crowd import PATIENCE_S, eventually
from tests.server.conftest import served
from tests.server.grpc.conftest import running

TICK_S = 0.01  # uvloop tells the time in milliseconds: within one of them no time has passed
SETTINGS = EngineSettings(tune=False, threads=1)


class Stepwise(TensorEngine):
    """An engine whose every run waits until it is let through, and tells what it ran."""

    def __init__(self, engine: TensorEngine) -> None:
        super().__init__(engine._model, SETTINGS)
        self.entered, self.opened = threading.Semaphore(0), threading.Semaphore(0)
        self.runs: list[list[float]] = []

    def at_once(self, request: Request) -> Answer | None:
        """Every request waits for its turn."""
        return None

    def _run_batch(self, payloads: Sequence[dict[str, Array]]) -> list[list[Array]]:
        self.runs.append([float(inputs["x"][0, 0]) for inputs in payloads])
        self.entered.release()
        assert self.opened.acquire(timeout=PATIENCE_S)
        return super()._run_batch(payloads)


@dataclass
class Queue:
    """A model whose runs are counted by hand. `ask` sends it a request; time has passed when that waits or runs."""

    infer: Callable[..., Any]
    engine: Stepwise
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def ask(self, value: float, **schedule: int) -> Any:
        """The call of a client, under way."""
        wanted = self.there() + 1
        asked = self.pool.submit(self.infer, value, **schedule)
        eventually(lambda: self.there() >= wanted, "the request waits or runs")
        time.sleep(TICK_S)
        return asked

    def there(self) -> int:
        """Requests that wait or run."""
        capacity = self.engine.capacity()
        return capacity.queued + capacity.running


@pytest.fixture(params=["http", "grpc"])
def queue(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Queue]:
    """A queue asked by Triton's client over REST or gRPC."""
    ports = [(port, TYPES["FP32"][0], ("n", 3)) for port in ("x", "y")]
    graph = write(tmp_path / "row.onnx", ports[:1], ports[1:], [("Identity", "x", "y")])
    opened = open_graph_file(graph, "row", SETTINGS)
    assert isinstance(opened, TensorEngine)
    engine, model = Stepwise(opened), served("row", graph)
    model.open = lambda: engine
    with running([model]) as node:
        module = tritonclient.http if request.param == "http" else tritonclient.grpc
        place = node.server.address.url.removeprefix("http://") if request.param == "http" else node.place
        found = Queue(partial(_infer, module, place), engine)
        with found.pool:
            yield found
            engine.opened.release(100)


def _infer(module: Any, place: str, value: float, **schedule: int) -> Any:
    given = module.InferInput("x", [1, 3], "FP32")
    given.set_data_from_numpy(np.full((1, 3), value, np.float32))
    with module.InferenceServerClient(place) as client:
        return client.infer("row", [given], **schedule).as_numpy("y")[0, 0]


@proves("schedule", over="both")
def test_a_request_of_the_second_priority_lets_others_go_first(queue: Queue) -> None:
    """It came before them; 1 is what counts for a request that names none."""
    first = queue.ask(1)
    assert queue.engine.entered.acquire(timeout=PATIENCE_S)
    others = [queue.ask(2, priority=2), queue.ask(3, priority=7), queue.ask(4), queue.ask(5, priority=1)]
    queue.engine.opened.release(3)
    assert [asked.result(PATIENCE_S) for asked in (first, *others)] == [1, 2, 3, 4, 5]
    assert queue.engine.runs == [[1], [4, 5], [2, 3]]


@proves("schedule", over="both")
def test_a_request_whose_turn_comes_after_its_timeout_is_refused(queue: Queue) -> None:
    """And never run; one that has time goes on."""
    first = queue.ask(1)
    assert queue.engine.entered.acquire(timeout=PATIENCE_S)
    others = [queue.ask(2, timeout=60_000_000), queue.ask(3, timeout=1)]
    queue.engine.opened.release(2)
    assert [asked.result(PATIENCE_S) for asked in (first, others[0])] == [1, 2]
    with pytest.raises(InferenceServerException, match="deadline_exceeded"):
        others[1].result(PATIENCE_S)
    assert queue.engine.runs == [[1], [2]]
