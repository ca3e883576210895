"""Requests that wait for a model."""

import asyncio

from freehold.config import Hold
from freehold.gateway.routing.hold import Waiting


def test_a_request_waits_until_a_model_is_ready() -> None:
    """And is counted meanwhile."""

    async def scenario() -> tuple[str | None, int, int]:
        waiting, ready = Waiting(), list[str]()
        waits = asyncio.create_task(waiting.until("r", Hold(), lambda: ready[0] if ready else None, lambda: True))
        await asyncio.sleep(0)
        during = waiting.count("r")
        ready.append("a")
        return await waits, during, waiting.count("r")

    assert asyncio.run(scenario()) == ("a", 1, 0)


def test_no_more_wait_than_may() -> None:
    """Others of the same route are refused at once; other routes have places of their own."""

    async def scenario() -> tuple[str | None, str | None, list[str | None]]:
        waiting, ready = Waiting(), list[str]()

        def found() -> str | None:
            return ready[0] if ready else None

        one = asyncio.create_task(waiting.until("r", Hold(1), found, lambda: True))
        other = asyncio.create_task(waiting.until("s", Hold(1), found, lambda: True))
        await asyncio.sleep(0)
        refused = await waiting.until("r", Hold(1), found, lambda: True)
        none = await waiting.until("t", Hold(0), found, lambda: True)
        ready.append("a")
        return refused, none, [await one, await other]

    assert asyncio.run(scenario()) == (None, None, ["a", "a"])


def test_nobody_waits_for_ever() -> None:
    """The time ends it, and that there is no hope; one that leaves gives its place back."""

    async def scenario() -> list[object]:
        waiting = Waiting()
        late = await waiting.until("r", Hold(1, 0.01), lambda: None, lambda: True)
        hopeless = await waiting.until("r", Hold(1, 60.0), lambda: None, lambda: False)
        left = asyncio.create_task(waiting.until("r", Hold(1, 60.0), lambda: None, lambda: True))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        return [late, hopeless, waiting.count("r")]

    assert asyncio.run(scenario()) == [None, None, 0]
