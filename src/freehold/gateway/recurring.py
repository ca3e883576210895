"""What a running node looks after again and again, in the background."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)


@asynccontextmanager
async def recurring(turn: Callable[[], Awaitable[None]], every_s: float, event: str) -> AsyncIterator[None]:
    """While it lasts `turn` is awaited again and again, with `every_s` seconds between.

    A turn that ends in a defect is logged as `event`, once until one succeeds, and the next one comes all the same: a
    loop that ended by it would be missed by nobody until its work is needed.
    """
    task = asyncio.create_task(_take_turns(turn, every_s, event))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _take_turns(turn: Callable[[], Awaitable[None]], every_s: float, event: str) -> None:
    was_well = True
    while True:
        await asyncio.sleep(every_s)
        (outcome,) = await asyncio.gather(turn(), return_exceptions=True)
        is_well = not isinstance(outcome, Exception)
        if was_well and not is_well:
            log.error(event, exc_info=outcome)
        was_well = is_well
