"""Models of one number, asked for what they multiply by: for tests of what is loaded, and when."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from freehold.config import Limits
from freehold.engine.base import Answer, Engine, Request, TensorRequest
from freehold.engine.opening import open_engine
from freehold.engine.settings import EngineSettings
from freehold.engine.tensor import TensorEngine
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server.models import Models, Offer, Override, Served
from freehold.server.served import Terms

SETTINGS = EngineSettings(tune=False, threads=1)
MB = 1 << 20


def write_times(path: Path, factor: float) -> Path:
    """A graph [n, 1] -> so many times that."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy")
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
    graph = helper.make_graph([node], "times", [x], [y], [constant])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def served(
    name: str, path: Path, version: str = "1", opener: Callable[[], Engine] | None = None, **terms: Any
) -> Served:
    """A version of a model that is not opened yet; `size`: bytes that it takes."""
    size = terms.pop("size", 0)

    def admit(engine: Engine) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(MB), model=name)

    opened = opener or (lambda: open_engine(path, name, SETTINGS))
    return Served(name, opened, admit, version=version, terms=Terms(size=lambda: size, **terms))


async def ask(models: Models, name: str, version: str = "") -> float:
    """What the model makes of 1; one that sleeps is woken."""
    one = await models.wake(name, version)
    with one.admission.admit(0) as permit:
        answer = await one.engine.infer(TensorRequest({"x": np.ones((1, 1), np.float32)}), permit.deadline)
    return float(answer.outputs["y"][0, 0])


def during(models: Models, test: Callable[[], Coroutine[Any, Any, None]], within_s: float = 30.0) -> None:
    """Runs `test` with all models loaded, and idle ones put to sleep meanwhile."""

    async def body() -> None:
        await models.load(lambda _: None)
        resting = asyncio.create_task(models.loader.rest())
        try:
            async with asyncio.timeout(within_s):
                await test()
        finally:
            resting.cancel()
            await models.close(1.0)

    asyncio.run(body())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what stays so once it is."""
    while not holds():  # noqa: ASYNC110 - states set no event
        await asyncio.sleep(0.005)


class Shelf:
    """Models that can be loaded by name, and what was to be kept of them."""

    def __init__(self, **models: Callable[[], Sequence[Served]]) -> None:
        self.models = models
        self.offered = 0
        self.kept: list[str] = []
        self.discarded = 0
        self.full: FreeholdError | None = None
        """Why nothing can be kept."""

    def offer(self, model: str, override: Override) -> Offer:
        """Its versions, as somebody loads them who is not the configuration."""
        self.offered += 1
        if model not in self.models:
            raise FreeholdError("model_not_found", model=model, served="-")
        versions = self.models[model]()
        for one in versions:
            one.origin, one.vital = "runtime", False

        def keep() -> None:
            if self.full is not None:
                raise self.full
            self.kept.append(model)

        def discard() -> None:
            self.discarded += 1

        return Offer(versions, keep, discard)

    def forget(self, model: str) -> None:
        """It is not kept any more."""
        self.kept.remove(model)


class Gate:
    """Opens a graph, as an engine whose requests wait, once it is let."""

    def __init__(self, path: Path, *, opens: bool = True) -> None:
        self.path = path
        self.asked = threading.Event()
        self.let_open = threading.Event()
        self.let_answer = asyncio.Event()
        self.engines: list[Engine] = []
        if opens:
            self.let_open.set()

    def __call__(self) -> Engine:
        self.asked.set()
        assert self.let_open.wait(30)
        engine = open_engine(self.path, "m", SETTINGS)
        engine.__class__ = Slow
        assert isinstance(engine, Slow)
        engine.let_go = self.let_answer
        self.engines.append(engine)
        return engine

    @property
    def closed(self) -> list[bool]:
        """Of each engine that was opened, whether it takes no more requests."""
        return [engine.ready() is False for engine in self.engines]


class Slow(TensorEngine):
    """Holds its requests until they are let go."""

    let_go: asyncio.Event

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """As the engine, later."""
        await self.let_go.wait()
        return await super().infer(request, deadline, later)
