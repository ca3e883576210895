"""One queue a model. A batch is whatever waits now, up to a budget; nobody waits for a timer.

    submit -> (queue) -> form -> run -> deliver

Requests that step back wait in a queue of their own, which is looked at when the other one is empty. Batches run on K
threads of their own; results are delivered in the event loop.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from freehold.engine.base import Capacity
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

SMOOTHING = 0.2  # weight of the newest batch in the measured speed


class Item(NamedTuple):
    """One row group of a request. Only items of equal `key` share a batch; `cost` is in the batcher's unit."""

    payload: Any
    cost: int
    key: Any = None


class Batch(NamedTuple):
    """One run that ended well, as metrics hear of it. Times in seconds, `cost` in `unit` ("tokens" or "rows")."""

    queued_s: Sequence[float]
    compute_s: float
    items: int
    cost: int
    unit: str


class Job:
    """One request in the queue: done when all of its items have their results."""

    __slots__ = ("cost", "deadline", "enqueued", "future", "later", "left", "results")

    def __init__(
        self, future: "asyncio.Future[list[Any]]", items: int, deadline: float, enqueued: float, later: bool = False
    ) -> None:
        self.future = future
        self.later = later
        self.left = items
        self.results: list[Any] = [None] * items
        self.deadline = deadline
        self.enqueued = enqueued
        self.cost = 0  # of the items that still wait


class Waiting(NamedTuple):
    job: Job
    position: int
    payload: Any
    cost: int
    key: Any


Form = Callable[["deque[Waiting]", int], list[Waiting]]
Run = Callable[[list[Any]], Sequence[Any]]


def first_come(queue: "deque[Waiting]", budget: int) -> list[Waiting]:
    """The oldest item and those after it with the same key, in order, while their costs fit into `budget`.

    A lone item may exceed the budget. Items of other keys keep their places; at most 256 of them are looked past.
    """
    head = queue.popleft()
    batch, spent = [head], head.cost
    passed: list[Waiting] = []
    while queue and len(passed) < 256 and spent + queue[0].cost <= budget:
        item = queue.popleft()
        if item.key == head.key:
            batch.append(item)
            spent += item.cost
        else:
            passed.append(item)
    queue.extendleft(reversed(passed))
    return batch


def nearest_length(queue: "deque[Waiting]", budget: int) -> list[Waiting]:
    """For graphs that pad: the oldest item, then those of nearest cost, while longest x count fits into `budget`."""
    head = queue.popleft()
    window = [queue.popleft() for _ in range(min(len(queue), 128))]
    near = sorted(range(len(window)), key=lambda i: (window[i].key != head.key, abs(window[i].cost - head.cost), i))
    batch, longest, taken = [head], head.cost, set[int]()
    for i in near:
        item = window[i]
        widest = max(longest, item.cost)
        if item.key != head.key or widest * (len(batch) + 1) > budget:
            break
        batch.append(item)
        longest = widest
        taken.add(i)
    queue.extendleft(reversed([item for i, item in enumerate(window) if i not in taken]))
    return batch


class Batcher:
    """The queue of one model and what runs it.

    `run` takes the payloads of one batch and returns one result a payload, in order; it must be re-entrant.
    Everything but the threads' loop is called from the event loop that `start` was called in.
    """

    def __init__(
        self,
        run: Run,
        *,
        budget: int,
        threads: int,
        unit: str,
        form: Form = first_come,
        name: str = "engine",
        on_batch: Callable[[Batch], None] | None = None,
        speed: float = 0.0,
    ) -> None:
        self.budget = budget
        self._run = run
        self._form = form
        self._unit = unit
        self._name = name
        self._on_batch = on_batch
        self._queues: tuple[deque[Waiting], deque[Waiting]] = (deque(), deque())  # the second one for `later`
        self._changed = threading.Condition()
        self._queued = [0, 0]  # cost of what waits in each
        self._running_cost = 0
        self._speed = speed  # cost units per second of one thread
        self._workers = threads
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Bind to the running loop and start the threads."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def capacity(self) -> Capacity:
        """Queues and measured speed, in the batcher's unit."""
        usual, later = self._queued
        return Capacity(self._unit, usual + later, self._running_cost, self._speed * self._workers, later)

    async def submit(self, items: Sequence[Item], deadline: float, later: bool = False) -> list[Any]:
        """Results of `items` in order; they wait behind all others where they may come `later`.

        Raises FreeholdError `deadline_exceeded`, `shutting_down`, or what `run` raised. Cancelling gives the places of
        all items that still wait back at once.
        """
        loop = self._loop
        if self._closing or loop is None:
            raise FreeholdError("shutting_down")
        if not items:
            return []
        job = Job(loop.create_future(), len(items), deadline, loop.time(), later)
        entries = [Waiting(job, i, item.payload, item.cost, item.key) for i, item in enumerate(items)]
        job.cost = sum(item.cost for item in items)
        with self._changed:
            self._queues[later].extend(entries)
            self._queued[later] += job.cost
            self._changed.notify(min(len(entries), self._workers))
        try:
            return await job.future
        except asyncio.CancelledError:
            self._drop(job)
            raise

    async def close(self, grace_s: float) -> None:
        """Let what waits and runs finish within `grace_s` seconds; then fail what still waits and stop the threads."""
        limit = time.monotonic() + grace_s
        while (any(self._queued) or self._running_cost) and time.monotonic() < limit:  # noqa: ASYNC110 - threads end it
            await asyncio.sleep(0.01)
        with self._changed:
            self._closing = True
            abandoned = [waiting for queue in self._queues for waiting in queue]
            for queue in self._queues:
                queue.clear()
            self._queued = [0, 0]
            self._changed.notify_all()
        self._fail(abandoned, FreeholdError("shutting_down"))
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < limit + 1.0:  # noqa: ASYNC110 - a thread has no event
                await asyncio.sleep(0.005)
        self._threads.clear()

    def _drop(self, job: Job) -> None:
        with self._changed:
            queue = self._queues[job.later]
            kept = [waiting for waiting in queue if waiting.job is not job]
            if len(kept) < len(queue):
                queue.clear()
                queue.extend(kept)
                self._queued[job.later] -= job.cost
                job.cost = 0

    def _take(self, now: float) -> tuple[list[Waiting], list[Waiting]]:
        """(the next batch, what is too late for its deadline); called with the lock held."""
        late: list[Waiting] = []
        for queue in self._queues:
            while queue and queue[0].job.deadline < now:
                late.append(queue.popleft())
        queue = self._queues[0] or self._queues[1]
        formed = self._form(queue, self.budget) if queue else []
        batch = [waiting for waiting in formed if waiting.job.deadline >= now]
        if len(batch) < len(formed):  # deadlines differ: the oldest need not have the nearest
            late += [waiting for waiting in formed if waiting.job.deadline < now]
        for waiting in (*late, *batch):
            waiting.job.cost -= waiting.cost
            self._queued[waiting.job.later] -= waiting.cost
        self._running_cost += sum(waiting.cost for waiting in batch)
        return batch, late

    def _work(self) -> None:
        loop = self._loop
        assert loop is not None
        while True:
            with self._changed:
                while not any(self._queues):
                    if self._closing:
                        return
                    self._changed.wait()
                batch, late = self._take(loop.time())
            results, runs = self._run_batch(batch, loop.time) if batch else ([], [])
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._deliver, batch, results, runs, late)

    def _run_batch(self, batch: list[Waiting], clock: Callable[[], float]) -> tuple[list[Any], list[Batch]]:
        """(one result an item, the runs that ended well)."""
        begun, started = clock(), time.perf_counter()  # a loop's clock may tick in milliseconds
        outcome = self._attempt([waiting.payload for waiting in batch])
        if not isinstance(outcome, Exception):
            queued_s = [begun - waiting.job.enqueued for waiting in batch]
            cost = sum(waiting.cost for waiting in batch)
            return list(outcome), [Batch(queued_s, time.perf_counter() - started, len(batch), cost, self._unit)]
        if len(batch) == 1:
            return [outcome], []
        # One refused input must not fail its neighbours: each runs by itself and keeps its own error.
        alone = [self._run_batch([waiting], clock) for waiting in batch]
        return [results[0] for results, _ in alone], [run for _, runs in alone for run in runs]

    def _attempt(self, payloads: list[Any]) -> Sequence[Any] | Exception:
        try:
            return self._run(payloads)
        except FreeholdError as error:
            return error
        except Exception as error:
            # The top of the engine's loop: a thread that died here would leave its model silent for ever.
            log.exception("a batch of %d failed in %s", len(payloads), self._name)
            return error

    def _deliver(self, batch: list[Waiting], results: list[Any], runs: list[Batch], late: list[Waiting]) -> None:
        if late:
            now = asyncio.get_running_loop().time()
            for waiting in late:
                job = waiting.job
                waited = now - job.enqueued
                error = FreeholdError("deadline_exceeded", waited_s=waited, deadline_s=job.deadline - job.enqueued)
                self._fail([waiting], error)
        with self._changed:
            self._running_cost -= sum(waiting.cost for waiting in batch)
        for waiting, result in zip(batch, results, strict=True):
            job = waiting.job
            if isinstance(result, BaseException):
                self._fail([waiting], result)
                continue
            job.results[waiting.position] = result
            job.left -= 1
            if job.left == 0 and not job.future.done():
                job.future.set_result(job.results)
        for run in runs:
            speed = run.cost / max(run.compute_s, 1e-9)
            self._speed = speed if not self._speed else self._speed + SMOOTHING * (speed - self._speed)
            if self._on_batch is not None:
                self._on_batch(run)

    def _fail(self, waiting: Sequence[Waiting], error: BaseException) -> None:
        for job in {id(item.job): item.job for item in waiting}.values():
            if not job.future.done():
                job.future.set_exception(error)
            if job.cost:
                self._drop(job)
