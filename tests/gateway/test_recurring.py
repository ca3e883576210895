"""Work in the background that comes again and again."""

import asyncio

import pytest

from freehold.gateway.recurring import recurring


def test_a_defect_is_told_once_and_the_next_turn_comes(caplog: pytest.LogCaptureFixture) -> None:
    """Until one goes well; then the next defect is told again."""
    plan = iter(["broken", "broken", "well", "broken"])
    over = asyncio.Event()

    async def turn() -> None:
        found = next(plan, "")
        if not found:
            over.set()
        if found == "broken":
            raise RuntimeError("a defect")

    async def test() -> None:
        async with recurring(turn, 0.0, "it_broke"), asyncio.timeout(20):
            await over.wait()

    asyncio.run(test())
    assert [record.message for record in caplog.records] == ["it_broke"] * 2


def test_nothing_goes_on_behind_its_end() -> None:
    """A turn that is under way is ended, and none follows."""
    ended = []

    async def turn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def test() -> None:
        async with recurring(turn, 0.0, "it_broke"):
            await asyncio.sleep(0.01)
        assert ended == [True]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(test())
