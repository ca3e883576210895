"""What keeps a node's slices filled: one exchange at a time with the shared budgets, in the background."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from time import monotonic

from freehold.access.leases import Grant, Leases, Place
from freehold.access.slices import RECHECK_S, Places, Slice

PATIENCE_S = 1.0  # a request waits no longer than this for its slice
TURN_S = 1.0  # what lies idle is given back, and places are renewed, as often as this

_log = logging.getLogger(__name__)


class Supply:
    """The exchanges of one node. Used from the event loop's thread only; the database from a thread of its own."""

    def __init__(self, leases: Leases) -> None:
        self.is_reachable = True
        """Whether the last exchange succeeded, and in time."""
        self._leases = leases
        self._slices: set[Slice] = set()  # that the next exchange asks for
        self._places: set[Places] = set()
        self._held_slices: set[Slice] = set()  # that may have something to give back
        self._held_places: set[Places] = set()
        self._thirst = asyncio.Event()
        self._settled = asyncio.Event()  # set when the next exchange has ended that has not begun yet
        self._leaving = asyncio.Event()

    def ask_for(self, one: Slice | Places) -> None:
        """Have the next exchange fill `one`, at once."""
        one.asked = True
        if isinstance(one, Slice):
            self._slices.add(one)
        else:
            self._places.add(one)
        self._thirst.set()

    def watch(self, one: Slice) -> None:
        """Have the next turn tell what `one` owes, also where nobody asks for it any more."""
        self._held_slices.add(one)

    async def wait(self) -> None:
        """Until what was asked for so far was answered, or PATIENCE_S have shown that it will not be soon."""
        settled = self._settled
        for _ in range(2):  # in halves: where the loop itself stood still, the answer may be here and not yet read
            if await _within(PATIENCE_S / 2, settled):
                return
        self._lose(f"no answer within {PATIENCE_S:g} s")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it lasts, slices are exchanged; afterwards all that is left is given back."""
        with ThreadPoolExecutor(1, "quota") as thread:  # a database that hangs holds up nobody else's work
            task = asyncio.create_task(self._take_turns(thread))
            try:
                yield
            finally:
                self._leaving.set()
                self._thirst.set()
                await task  # what an exchange under way brings is given back, too
                if self.is_reachable:
                    self._surrender()
                    await self._exchange(thread)
                await asyncio.get_running_loop().run_in_executor(thread, self._leases.close)

    async def _take_turns(self, thread: ThreadPoolExecutor) -> None:
        turn_at = monotonic() + TURN_S
        while not self._leaving.is_set():
            await _within(turn_at - monotonic(), self._thirst)
            now = monotonic()
            if now >= turn_at:
                turn_at = now + TURN_S
                self._look_through(now)
            if not await self._exchange(thread):
                await _within(RECHECK_S, self._leaving)

    def _look_through(self, now: float) -> None:
        """Have given back what lies idle, and renewed what is held."""
        for one in tuple(self._held_slices):
            if one.give_back(now):
                self._slices.add(one)
            elif one.left == 0 or now >= one.until:
                self._held_slices.discard(one)
        for places in tuple(self._held_places):
            if places.give_back(now):
                self._places.add(places)
            elif not places.is_held:
                self._held_places.discard(places)

    def _surrender(self) -> None:
        """The same for everything, in use or not."""
        now = monotonic()
        for one in self._held_slices:
            one.used = False
            one.give_back(now)
        for places in self._held_places:
            places.left = 0
        self._slices |= self._held_slices
        self._places |= self._held_places

    async def _exchange(self, thread: ThreadPoolExecutor) -> bool:
        """Settle all that was asked for in one exchange; whether that succeeded."""
        self._thirst.clear()
        slices, places = list(self._slices), list(self._places)
        if not slices and not places:
            return True
        self._slices.clear()
        self._places.clear()
        settled, self._settled = self._settled, asyncio.Event()
        began = monotonic()
        asks, holds = [one.ask(began) for one in slices], [one.ask(began) for one in places]
        exchange = asyncio.get_running_loop().run_in_executor(thread, self._leases.exchange, asks, holds)
        (outcome,) = await asyncio.gather(exchange, return_exceptions=True)  # whatever it was: the next one is tried
        if isinstance(outcome, BaseException):
            self._slices.update(slices)
            self._places.update(places)
            self._thirst.set()  # all of it again, a little later
            self._lose(outcome)
        else:
            self._take(slices, places, outcome, began)
        settled.set()
        return not isinstance(outcome, BaseException)

    def _take(
        self, slices: list[Slice], places: list[Places], answers: tuple[list[Grant], list[Place]], began: float
    ) -> None:
        grants, got = answers
        now = monotonic()
        for one, grant in zip(slices, grants, strict=True):
            one.answer(grant, began, now)
        for some, place in zip(places, got, strict=True):
            some.answer(place, began)
        self._held_slices.update(slices)
        self._held_places.update(places)
        if not self.is_reachable:
            self.is_reachable = True
            _log.info("the database of limits answers again")

    def _lose(self, failure: object) -> None:
        if self.is_reachable:
            self.is_reachable = False
            _log.error("the database of limits cannot be asked: %s", failure)
        self._settled.set()  # nobody waits while it is gone
        self._settled = asyncio.Event()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether `event` was set within so long; as soon as it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    return event.is_set()
