"""Requests of a stream side by side, and their answers in order."""

import asyncio
from collections.abc import Iterator

import pytest

from freehold.server.grpc.pipeline import in_order


class Stop(Exception):  # noqa: N818 - what a request asks for
    """What fails here."""


class Work:
    """Requests that are numbers; each is answered when its gate opens. -1 fails."""

    def __init__(self, requests: list[int]) -> None:
        self._requests: Iterator[int] = iter(requests)
        self.gates = {number: asyncio.Event() for number in requests}
        self.begun: list[int] = []
        self.cancelled: list[int] = []

    async def following(self) -> int | None:
        """The next one."""
        return next(self._requests, None)

    async def answer(self, number: int) -> int:
        """Its square."""
        self.begun.append(number)
        try:
            await self.gates[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if number == -1:
            raise Stop
        return number * number


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_answers_keep_the_order_of_their_requests() -> None:
    """The last one is ready first; no more are begun than may be."""

    async def run() -> None:
        work = Work([1, 2, 3, 4, 5])
        answers = in_order(work.following, work.answer, 3)
        first = asyncio.ensure_future(anext(answers))
        await settle()
        assert work.begun == [1, 2, 3]
        for number in (3, 2, 1, 4, 5):
            work.gates[number].set()
        assert [await first, *[one async for one in answers]] == [1, 4, 9, 16, 25]

    asyncio.run(run())


def test_a_failure_comes_in_its_turn_and_ends_the_rest() -> None:
    """What was asked before it is answered; what came after it is cancelled."""

    async def run() -> None:
        work = Work([1, -1, 3])
        answers = in_order(work.following, work.answer, 3)
        first = asyncio.ensure_future(anext(answers))
        await settle()
        work.gates[-1].set()
        work.gates[1].set()
        assert await first == 1
        with pytest.raises(Stop):
            await anext(answers)
        assert work.cancelled == [3]

    asyncio.run(run())


def test_a_reader_that_fails_is_heard_behind_the_answers() -> None:
    """As where the server leaves while a stream waits for its client."""

    async def run() -> None:
        work = Work([1])
        asked = 0

        async def following() -> int | None:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise Stop
            return await work.following()

        work.gates[1].set()
        answers = in_order(following, work.answer, 2)
        assert await anext(answers) == 1
        with pytest.raises(Stop):
            await anext(answers)

    asyncio.run(run())


def test_who_closes_it_leaves_nothing_under_way() -> None:
    """A client that left."""

    async def run() -> None:
        work = Work([1, 2])
        answers = in_order(work.following, work.answer, 2)
        work.gates[1].set()
        assert await anext(answers) == 1
        await settle()
        await answers.aclose()
        assert work.cancelled == [2]

    asyncio.run(run())
