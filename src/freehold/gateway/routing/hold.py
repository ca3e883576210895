"""Requests that wait here while the models of their route load: a bounded number, for a bounded time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from freehold.config import Hold

T = TypeVar("T")

LOOK_S = 0.05  # how often it is looked whether a model is ready


class Waiting:
    """The requests of every route that wait. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, route: str) -> int:
        """How many wait now."""
        return self._counts.get(route, 0)

    async def until(self, route: str, hold: Hold, found: Callable[[], T | None], hope: Callable[[], bool]) -> T | None:
        """What `found` returns as soon as it is something. None when as many wait as may, when the time is over, or
        when there is no `hope` any more."""
        if self.count(route) >= hold.requests:
            return None
        self._counts[route] = self.count(route) + 1
        loop = asyncio.get_running_loop()
        latest = loop.time() + hold.seconds
        try:
            while hope() and (left := latest - loop.time()) > 0:
                await asyncio.sleep(min(LOOK_S, left))
                if (one := found()) is not None:
                    return one
            return None
        finally:
            self._counts[route] -= 1
            if not self._counts[route]:
                del self._counts[route]
