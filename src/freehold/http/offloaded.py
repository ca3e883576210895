"""What waits for a disk, beside the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager


@asynccontextmanager
async def offloaded(manager: AbstractContextManager[object]) -> AsyncIterator[None]:
    """`manager`, entered and left in threads, around a block of the event loop. It hears of what the block raises."""
    await asyncio.to_thread(manager.__enter__)
    try:
        yield
    except BaseException as failure:
        await asyncio.to_thread(manager.__exit__, type(failure), failure, failure.__traceback__)
        raise
    await asyncio.to_thread(manager.__exit__, None, None, None)
