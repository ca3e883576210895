"""A time limit that moves with every request, at the price of one comparison."""

import asyncio
from collections.abc import Callable


class Alarm:
    """At most one act that is due at a time.

    The loop's timer is left standing and looks, when it fires, whether its time is still meant: setting and cancelling
    one for each request would cost more than reading the request does.
    """

    __slots__ = ("_act", "_at", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._act: Callable[[], object] | None = None
        self._at = 0.0  # loop time
        self._timer: asyncio.TimerHandle | None = None

    def set(self, delay_s: float, act: Callable[[], object]) -> None:
        """Have `act` called in `delay_s` seconds, instead of what was asked for before."""
        self._act, self._at = act, self._loop.time() + delay_s
        if self._timer is not None:
            if self._timer.when() <= self._at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)

    def clear(self) -> None:
        """Nothing is due any more."""
        self._act = None

    def waits_for(self, act: Callable[[], object]) -> bool:
        """Whether `act` is due."""
        return self._act == act

    def close(self) -> None:
        """Give the timer back."""
        self._act = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._act is None:
            return
        if self._at <= self._loop.time():
            act, self._act = self._act, None
            act()
        else:
            self._timer = self._loop.call_at(self._at, self._look)
