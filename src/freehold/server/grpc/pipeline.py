"""Several requests of one stream at once, and their answers in the order of the requests."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def in_order(
    following: Callable[[], Awaitable[T | None]], answer: Callable[[T], Awaitable[U]], most: int
) -> AsyncGenerator[U, None]:
    """`answer` of each request that `following` gives, up to its None; `most` are answered at once, and none beyond
    these is asked for until an answer is taken.

    A failure of either is raised in its turn, behind the answers to earlier requests. Whatever is under way then, or
    when this generator is closed, is cancelled.
    """
    free = asyncio.Semaphore(most)
    asked: asyncio.Queue[asyncio.Future[U] | None] = asyncio.Queue()

    async def read() -> None:
        try:
            while await free.acquire() and (request := await following()) is not None:
                asked.put_nowait(asyncio.ensure_future(answer(request)))
        finally:
            asked.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (answering := await asked.get()) is not None:
            yield await answering
            free.release()
        await reading
    finally:
        left: list[asyncio.Future[Any]] = [reading, *(one for one in _emptied(asked) if one is not None)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _emptied(queue: asyncio.Queue[T]) -> list[T]:
    found = []
    while not queue.empty():
        found.append(queue.get_nowait())
    return found
