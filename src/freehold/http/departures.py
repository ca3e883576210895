"""Noticing that a client has left while its request waits, at little cost to those that do not wait long.

A task or a timer for each request would cost 2 to 3 us. Instead every waiting request stands in a dictionary that one
timer turns over every `INTERVAL_S`: only a request that it meets twice gets a task which waits for the disconnect.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Task = asyncio.Task[Any]

INTERVAL_S = 0.02


class Departures:
    """All requests of an app that wait for an answer, by the task that waits."""

    def __init__(self) -> None:
        self._young: dict[Task, Receive] = {}  # entered since the last tick
        self._old: dict[Task, Receive] = {}  # entered before it
        self._lookouts: dict[Task, asyncio.Task[None]] = {}
        self._departed: set[Task] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, receive: Receive) -> Task:
        """Have the calling task, which is returned, cancelled when `receive` tells of a disconnect."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is watched from the task that answers it")
        self._young[task] = receive
        if self._timer is None:
            self._timer = task.get_loop().call_later(INTERVAL_S, self._tick)
        return task

    def was_departure(self, task: Task) -> bool:
        """Whether a cancellation that `task` met was ours; if so, the task is no longer being cancelled."""
        departed = task in self._departed
        if departed:
            task.uncancel()
        return departed

    def leave(self, task: Task) -> None:
        """The request of `task` waits no longer."""
        if self._young.pop(task, None) is not None or self._old.pop(task, None) is not None:
            return
        lookout = self._lookouts.pop(task, None)
        if lookout is not None:
            lookout.cancel()
        self._departed.discard(task)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for task, receive in self._old.items():
            self._lookouts[task] = loop.create_task(self._look_out(task, receive))
        self._old, self._young = self._young, {}
        self._timer = loop.call_later(INTERVAL_S, self._tick) if self._old else None

    async def _look_out(self, task: Task, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._departed.add(task)
        task.cancel()
