"""A conductor of rollouts whose models, clock and gateway are in a test's hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.config import Config, ModelConfig, Route, RouteTarget
from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.rollouts import conductor as module
from freehold.gateway.rollouts.conductor import Conductor
from freehold.gateway.rollouts.ledger import Ledger
from freehold.gateway.rollouts.replay import Recorded
from freehold.gateway.rollouts.rollout import Limits, Rollout
from freehold.gateway.rollouts.spaces import Sight
from freehold.gateway.routing.table import RouteTable, Weights
from freehold.telemetry import Telemetry

AWAY = FreeholdError("model_loading", model="b")
RECORDING = b'{"path": "/v1/completions", "body": {"prompt": "Hi"}}\n'


def config(*routes: Route, models: str = "abc") -> Config:
    named = tuple(ModelConfig(id=name, source=f"http://127.0.0.1:9/{name}/v1") for name in models)
    return Config(models=named, routes=routes or (Route("chat", (RouteTarget("a"),)),))


class Stage:
    """A conductor whose models, clock and gateway are in the test's hand."""

    def __init__(self, home: Path, begun: Config | None = None) -> None:
        self.now = 0.0
        self.away: dict[str, FreeholdError] = {}
        self.abilities: dict[str, tuple[str, ...]] = dict.fromkeys("abc", ("chat",))
        self.answers: dict[str, Any] = {}
        self.config = begun or config()
        self.adopted: list[tuple[Config, Weights]] = []
        self.ledger = Ledger(home)
        self.telemetry = Telemetry(process=False)
        self.conductor = Conductor(
            self.ledger, self.config, self._adopt, self._sight, self._ask, self.telemetry, lambda: self.now, lambda: 5.0
        )

    def _adopt(self, config: Config, weights: Weights) -> None:
        self.adopted.append((config, weights))

    def _sight(self, model: str) -> Sight | None:
        found = self.config.model(model)
        return None if found is None else Sight(found, self.away.get(model), self.abilities[model])

    async def _ask(self, model: str, request: Recorded) -> Answer:
        return Answer(200, "application/json", json.dumps(self.answers.get(model, {"ok": model})).encode())

    def percents(self, route: str = "chat") -> dict[str, int]:
        """What is in force."""
        found = RouteTable.of(self.config, self.conductor.weights).find(route)
        return {variant.id: variant.percent for variant in found.variants if variant.percent}

    def begin(self, recording: bytes = b"", **changes: Any) -> None:
        """As the command line does."""
        known = {"new": "b", "steps": (5, 50, 100), "hold_s": 10.0, "limits": Limits(requests=20)}
        wanted = Rollout(route="chat", **{**known, **changes})
        self.ledger.change("chat", lambda _: wanted, recording)

    def wish(self, wish: Any) -> None:
        def wished(before: Rollout | None) -> Rollout:
            assert before is not None
            return msgspec.structs.replace(before, wish=wish)

        self.ledger.change("chat", wished)

    async def tick(self, times: int = 1, *, after_s: float = 0.0) -> Rollout:
        self.now += after_s
        for _ in range(times):
            await self.looked()
        found = self.ledger.read("chat")
        assert found is not None
        return found

    async def looked(self) -> None:
        """A tick, and what it begins in the background: replays, and looks at spaces."""
        before = asyncio.all_tasks()
        await self.conductor.tick()
        if begun := asyncio.all_tasks() - before:
            await asyncio.wait(begun)

    def answered(self, model: str, count: int = 20, status: int = 200) -> None:
        for _ in range(count):
            self.conductor.tally.note("chat", model, status, 0.01)


def run_by_hand(test: Coroutine[Any, Any, None]) -> None:
    """Run `test`, in which conductors look only when they are told to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TICK_S", 3600.0)
        asyncio.run(test)


def on_stage(folder: Path, test: Callable[[Stage], Awaitable[Any]], begun: Config | None = None) -> Stage:
    stage = Stage(folder, begun)

    async def run() -> None:
        async with stage.conductor.life():
            await test(stage)

    run_by_hand(run())
    return stage
