"""Brings engines into memory and out of it again: one at a time, within a budget, and only while they are wanted."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.server.served import LINGER_S, RETRY_S, Served, State, asleep, reclaim

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How often idle models are looked for."""
_ROOM_S = 0.05
RETIRE_S = 3600.0
"""How long requests may still run on an engine that was replaced, or is unloaded."""


class Loader:
    """Loads one after another: two that were tuned at the same time would measure each other.

    `everything` are all models of the node, `budget` the bytes that they may take together; None: no bound. Used from
    the event loop's thread only.
    """

    def __init__(self, everything: Callable[[], Iterable[Served]], budget: int | None = None) -> None:
        self.on_loaded: Callable[[Served], None] = lambda _served: None
        """Told of every load that has ended, well or not."""
        self.budget = budget
        self._everything = everything
        self._turn = asyncio.Lock()
        self._waking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    async def load(self, served: Served) -> None:
        """Make room and load. Never raises FreeholdError: the state tells."""
        async with self._turn:
            try:
                await self._make_room(served)
            except FreeholdError as error:
                served.fail(error)
            if served.state is State.LOADING:  # else it has been unloaded, or something else was loaded in its place
                await self._load(served)
        self.on_loaded(served)

    async def wake(self, served: Served) -> None:
        """Have a model that sleeps loaded; all who ask wait for the same load, which goes on when they leave.

        Raises FreeholdError `load_too_slow` after the time that a request may wait, `models_memory_full`, and why the
        model could not be loaded.
        """
        key = served.id, served.version
        task = self._waking.get(key)
        if task is None:
            task = self._waking[key] = asyncio.create_task(self._wake(served))
            task.add_done_callback(lambda _: self._waking.pop(key, None))
        try:
            async with asyncio.timeout(served.terms.wait_s):
                await asyncio.shield(task)
        except TimeoutError:
            raise FreeholdError("load_too_slow", model=served.id, wait_s=f"{served.terms.wait_s:g}") from None
        except FreeholdError as error:
            raise error.again() from None  # one that all who wait raise would keep the frames of all

    async def rest(self) -> None:
        """For ever: put models to sleep that nobody has asked for as long as their `keep_alive`."""
        while True:
            await asyncio.sleep(LOOK_S)
            for served in list(self._everything()):
                keep_s = served.terms.keep_alive_s
                if keep_s is None or served.state is not State.READY:
                    continue
                if served.admission.in_flight:
                    served.used_at = time.monotonic()
                elif time.monotonic() - served.used_at >= keep_s:
                    await self._sleep(served, f"nobody asked for it for {keep_s:g} s")

    def retire(self, engine: Engine) -> None:
        """Close an engine that another one has replaced, once the requests on it have ended."""
        task = asyncio.create_task(_retire(engine))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self, grace_s: float) -> None:
        """Let engines that were replaced end within `grace_s` seconds; loads that were asked for are given up."""
        for task in self._waking.values():
            task.cancel()
        retiring = [*self._waking.values(), *self._retiring]
        if retiring:
            await asyncio.wait(retiring, timeout=grace_s)
        for task in retiring:
            task.cancel()

    async def _load(self, served: Served) -> None:
        (defect,) = await asyncio.gather(served.load(), return_exceptions=True)
        if isinstance(defect, Exception):
            # One model's defect must not leave it, and those after it, loading for ever.
            log.error("load_broke", exc_info=defect, extra={"model": served.id})
            served.fail(FreeholdError("load_broke", model=served.id, reason=f"{type(defect).__name__}: {defect}"))

    async def _wake(self, served: Served) -> None:
        async with self._turn:
            if served.state is State.FAILED and served.sleeps:
                served.state, served.error = State.ASLEEP, asleep(served, "its last load failed")
            if served.state is State.ASLEEP:
                await self._make_room(served)
            if served.state is State.ASLEEP:
                await self._load(served)
                served.retry_at = 0.0 if served.loaded else time.monotonic() + RETRY_S
                self.on_loaded(served)
        served.check()

    async def _sleep(self, served: Served, why: str) -> None:
        async with self._turn:
            if served.state is State.READY and not served.busy:
                await served.unload(State.ASLEEP, asleep(served, why), 0.0)

    async def _make_room(self, coming: Served) -> None:
        """Put models to sleep, least recently used first, until `coming` fits. Raises `models_memory_full`.

        What is pinned or works for somebody stays; that it becomes idle, or has left, is waited for.
        """
        coming.bytes = await asyncio.to_thread(coming.terms.size)
        until = time.monotonic() + coming.terms.wait_s
        while self.budget is not None:
            held = [one for one in self._everything() if one.loaded and one is not coming]
            if sum(one.bytes for one in held) + coming.bytes <= self.budget:
                return
            movable = [one for one in held if one.state is State.READY and not one.terms.pinned and one.bytes]
            idle = [one for one in movable if not one.busy]
            if idle:
                why = f"{coming.id} needed its memory"
                oldest = min(idle, key=lambda one: one.used_at)
                await oldest.unload(State.ASLEEP, asleep(oldest, why), 0.0)
            elif (movable or any(one.state is State.UNLOADING for one in held)) and time.monotonic() < until:
                await asyncio.sleep(_ROOM_S)
            else:
                raise self._full(coming, held)

    def _full(self, coming: Served, held: list[Served]) -> FreeholdError:
        names = ", ".join(f"{one.id} ({one.bytes >> 20} MiB)" for one in held if one.bytes) or "none"
        budget = (self.budget or 0) >> 20
        return FreeholdError(
            "models_memory_full", model=coming.id, needed=coming.bytes >> 20, budget=budget, held=names, retry_after_s=5
        )


async def _retire(engine: Engine) -> None:
    with suppress(FreeholdError):
        await asyncio.sleep(LINGER_S)
        await engine.close(RETIRE_S)
    del engine
    reclaim()
