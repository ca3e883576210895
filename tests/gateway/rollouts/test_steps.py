"""What follows from what is seen of a rollout: refusals at its beginning, ends by its configuration."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from freehold.config import Config, ModelConfig, Route, RouteTarget
from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.rollouts.replay import Recorded, read_recording
from freehold.gateway.rollouts.rollout import Rollout
from freehold.gateway.rollouts.spaces import Sight, Spaces
from freehold.gateway.rollouts.steps import REPLAYED_AGAIN_S, Steps, World, check_alive, replaced
from freehold.gateway.rollouts.tally import Tally
from freehold.gateway.routing.table import RouteTable

RECORDING = read_recording(b'{"path": "/v1/completions", "body": {"prompt": "Hi"}}', "g.jsonl")


def config(*routes: Route, models: str = "abc") -> Config:
    return Config(models=tuple(ModelConfig(id=one, source=f"http://{one}/v1") for one in models), routes=routes)


SHARED = config(Route("chat", (RouteTarget("a", 3), RouteTarget("b", 1))))


def rollout(**changes: Any) -> Rollout:
    return Rollout(**{"route": "chat", "new": "b", "steps": (5, 100), "hold_s": 60.0, **changes})


def test_the_others_of_a_route_are_replaced_with_their_shares() -> None:
    """Also where the new model has a share already, or the route is a model's own."""
    table = RouteTable.of(SHARED)
    assert replaced(rollout(), SHARED, table) == {"a": 75}
    assert replaced(rollout(new="c"), SHARED, table) == {"a": 75, "b": 25}
    assert replaced(rollout(route="a", new="c"), SHARED, table) == {"a": 100}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"route": "absent"}, "rollout_route_unknown"),
        ({"new": "absent"}, "rollout_model_unknown"),
        ({"route": "b"}, "rollout_whole_already"),
    ],
)
def test_what_cannot_begin_says_why(changes: dict[str, Any], code: str) -> None:
    """With what there is instead."""
    with pytest.raises(FreeholdError) as caught:
        replaced(rollout(**changes), SHARED, RouteTable.of(SHARED))
    assert caught.value.code == code


def test_a_rollout_needs_its_route_and_its_models() -> None:
    """One of several old models may go."""
    running = rollout(phase="running", new="c", old={"a": 75, "b": 25})
    for kept in ("abc", "bc"):
        check_alive(
            running, config(models=kept), RouteTable.of(config(Route("chat", (RouteTarget("b"),)), models=kept))
        )
    for lost in ("ab", "c"):
        left = config(Route("chat", (RouteTarget(lost[0]),)), models=lost)
        with pytest.raises(FreeholdError) as caught:
            check_alive(running, left, RouteTable.of(left))
        assert caught.value.code == "rollout_model_unknown"
    with pytest.raises(FreeholdError) as caught:
        check_alive(running, config(), RouteTable.of(config()))
    assert caught.value.code == "rollout_route_unknown"


async def settled() -> None:
    """What runs in the background has ended."""
    if begun := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(begun)


class Wayside:
    """Steps of rollouts whose models answer what the test says."""

    def __init__(self, answers: Callable[[str], Answer]) -> None:
        self.now = 0.0
        self.asked = 0

        async def ask(model: str, request: Recorded) -> Answer:
            self.asked += 1
            return answers(model)

        def sight(model: str) -> Sight | None:
            found = SHARED.model(model)
            return None if found is None else Sight(found, None, ("chat",))

        spaces = Spaces(ask, sight, lambda: self.now)
        world = World(sight, ask, lambda _: RECORDING, Tally(), spaces, lambda: self.now, lambda: 1.0)
        self.steps = Steps(world)

    async def next(self, now: Rollout) -> Rollout:
        after = self.steps.next(now, SHARED, RouteTable.of(SHARED))
        await settled()
        return after


def test_goldens_that_the_old_model_does_not_answer_are_replayed_again_later() -> None:
    """The new model is not blamed, and nothing moves until they could be compared."""
    broken = True

    def answers(model: str) -> Answer:
        return Answer(503 if broken and model == "a" else 200, "application/json", b"{}")

    async def run() -> None:
        nonlocal broken
        way = Wayside(answers)
        now = rollout(phase="running", old={"a": 100}, goldens=1)
        for _ in range(3):
            assert await way.next(now) == now
        progress = way.steps.progress(now)
        assert progress is not None
        assert progress.waits is not None
        assert progress.waits.code == "goldens_unanswered"
        assert way.asked == 1
        broken = False
        way.now = REPLAYED_AGAIN_S + 1
        await way.next(now)
        assert (await way.next(now)).step == 0
        await way.steps.close()

    asyncio.run(run())


def test_a_replay_ends_with_its_rollout() -> None:
    """Nobody is asked any more for one that was taken away."""

    async def run() -> None:
        way = Wayside(lambda _: Answer(200, "application/json", b"{}"))
        now = rollout(phase="running", old={"a": 100}, goldens=1)
        way.steps.next(now, SHARED, RouteTable.of(SHARED))
        way.steps.forget([])
        assert way.steps.progress(now) is None
        await settled()
        assert way.asked == 0

    asyncio.run(run())
