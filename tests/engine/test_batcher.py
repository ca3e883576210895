"""One queue, no timer, batches by budget, and no way to lose or mix up a request."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.engine.batcher import Batch, Batcher, Item, Job, Waiting, first_come, nearest_length
from freehold.errors import FreeholdError

FAR = 1e12


def double(payloads: Sequence[int]) -> list[int]:
    return [2 * payload for payload in payloads]


def waiting(cost: int, key: Any = None, payload: int = 0) -> Waiting:
    return Waiting(Job(None, 1, FAR, 0.0), 0, payload, cost, key)  # type: ignore[arg-type]  # forms never touch the future


async def with_batcher(
    run: Callable[[list[Any]], Sequence[Any]], body: Callable[[Batcher], Any], **options: Any
) -> Any:
    batcher = Batcher(run, **{"budget": 64, "threads": 1, "unit": "rows", **options})
    batcher.start()
    try:
        return await body(batcher)
    finally:
        await batcher.close(5.0)


class Gate:
    """A run that stops until it is let through, so that tests know what waits and what runs."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def run(self, payloads: list[int]) -> list[int]:
        self.batches.append(list(payloads))
        self.entered.release()
        assert self.opened.acquire(timeout=10)
        return double(payloads)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens on a thread
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_request_gets_its_own_results_in_order(threads: int) -> None:
    """Requests of several items, interleaved, come back complete and in their own order."""

    async def body(batcher: Batcher) -> list[list[int]]:
        requests = [[Item(10 * r + i, 1 + i % 5) for i in range(r % 7 + 1)] for r in range(40)]
        return await asyncio.gather(*(batcher.submit(items, FAR) for items in requests))

    answers = asyncio.run(with_batcher(double, body, threads=threads, budget=8))
    assert answers == [[2 * (10 * r + i) for i in range(r % 7 + 1)] for r in range(40)]


def test_a_batch_is_what_waits_while_the_engine_is_busy() -> None:
    """The first request runs alone at once; those that arrive meanwhile share the next batch."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        others = [asyncio.ensure_future(batcher.submit([Item(n, 1)], FAR)) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        gate.opened.release(2)
        assert await first == [2]
        assert [await other for other in others] == [[4], [6], [8]]

    asyncio.run(with_batcher(gate.run, body))
    assert gate.batches == [[1], [2, 3, 4]]


def test_a_batch_never_exceeds_its_budget_unless_one_item_does_alone() -> None:
    """Costs are summed up to the budget; an item beyond it runs by itself."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.submit([Item(0, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        rest = asyncio.ensure_future(batcher.submit([Item(n, n) for n in (4, 5, 2, 30, 3)], FAR))
        await asyncio.sleep(0)
        gate.opened.release(10)
        await asyncio.gather(first, rest)

    asyncio.run(with_batcher(gate.run, body, budget=10))
    assert gate.batches == [[0], [4, 5], [2], [30], [3]]


def test_a_cancelled_request_gives_its_places_back() -> None:
    """After a cancellation nothing of the request waits or runs, and its neighbours are answered."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        leaver = asyncio.ensure_future(batcher.submit([Item(n, 5) for n in (7, 8, 9)], FAR))
        stayer = asyncio.ensure_future(batcher.submit([Item(2, 1)], FAR))
        await asyncio.sleep(0)
        assert batcher.capacity().queued == 16
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        assert batcher.capacity().queued == 1
        gate.opened.release(2)
        assert [await first, await stayer] == [[2], [4]]

    asyncio.run(with_batcher(gate.run, body))
    assert gate.batches == [[1], [2]]


def test_a_request_whose_turn_comes_after_its_deadline_is_refused() -> None:
    """It is told how long it waited, and is never run."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        late = asyncio.ensure_future(batcher.submit([Item(2, 1), Item(3, 1)], loop.time() - 0.001))
        await asyncio.sleep(0)
        gate.opened.release(2)
        await first
        with pytest.raises(FreeholdError, match="deadline_exceeded"):
            await late
        assert batcher.capacity().queued == 0

    asyncio.run(with_batcher(gate.run, body))
    assert gate.batches == [[1]]


def test_a_deadline_counts_behind_one_that_is_farther() -> None:
    """What would share a batch with the oldest request is refused all the same when its own turn comes too late."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        patient = asyncio.ensure_future(batcher.submit([Item(2, 1)], FAR))
        late = asyncio.ensure_future(batcher.submit([Item(3, 1)], loop.time() - 0.001))
        await asyncio.sleep(0)
        gate.opened.release(2)
        assert [await first, await patient] == [[2], [4]]
        with pytest.raises(FreeholdError, match="deadline_exceeded"):
            await late
        assert (batcher.capacity().queued, batcher.capacity().running) == (0, 0)

    asyncio.run(with_batcher(gate.run, body))
    assert gate.batches == [[1], [2]]


def test_who_may_come_later_lets_all_others_go_first() -> None:
    """Whatever came before; nobody is taken along with those, and what waits so is counted apart, too."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        later = [asyncio.ensure_future(batcher.submit([Item(n, 2)], FAR, later=True)) for n in (2, 3)]
        usual = [asyncio.ensure_future(batcher.submit([Item(n, 1)], FAR)) for n in (4, 5)]
        await asyncio.sleep(0)
        assert (batcher.capacity().queued, batcher.capacity().later) == (6, 4)
        gate.opened.release(3)
        await asyncio.gather(first, *later, *usual)
        assert (batcher.capacity().queued, batcher.capacity().later) == (0, 0)

    asyncio.run(with_batcher(gate.run, body))
    assert gate.batches == [[1], [4, 5], [2, 3]]


def test_who_comes_later_is_told_in_time_that_it_is_too_late() -> None:
    """Also while others still go first."""
    gate = Gate()

    async def body(batcher: Batcher) -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        later = asyncio.ensure_future(batcher.submit([Item(2, 1)], loop.time() - 0.001, later=True))
        usual = asyncio.ensure_future(batcher.submit([Item(3, 1)], FAR))
        await asyncio.sleep(0)
        gate.opened.release()
        await first
        await until(lambda: gate.entered.acquire(blocking=False))
        await until(lambda: batcher.capacity().later == 0)
        gate.opened.release()
        assert await usual == [6]
        with pytest.raises(FreeholdError, match="deadline_exceeded"):
            await later

    asyncio.run(with_batcher(gate.run, body))


def test_a_refused_input_fails_alone() -> None:
    """The neighbours of an input that the graph refuses get their answers, and only those count as runs."""
    seen: list[Batch] = []

    def picky(payloads: Sequence[int]) -> list[int]:
        if 13 in payloads:
            raise FreeholdError("inference_failed", reason="13")
        return double(payloads)

    async def body(batcher: Batcher) -> list[Any]:
        submitted = (batcher.submit([Item(n, 1)], FAR) for n in (1, 13, 3))
        return await asyncio.gather(*submitted, return_exceptions=True)

    one, refused, three = asyncio.run(with_batcher(picky, body, threads=2, on_batch=seen.append))
    assert (one, three) == ([2], [6])
    assert isinstance(refused, FreeholdError)
    assert refused.code == "inference_failed"
    assert sum(batch.items for batch in seen) == 2


def test_a_defect_in_the_run_is_logged_and_kills_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception reaches its request, and the next request is served."""

    def broken(payloads: Sequence[int]) -> list[int]:
        if 0 in payloads:
            raise ZeroDivisionError("a defect")
        return double(payloads)

    async def body(batcher: Batcher) -> None:
        with pytest.raises(ZeroDivisionError):
            await batcher.submit([Item(0, 1)], FAR)
        assert await batcher.submit([Item(4, 1)], FAR) == [8]

    asyncio.run(with_batcher(broken, body))
    assert "a batch of 1 failed" in caplog.text


def test_closing_finishes_what_waits_and_then_refuses() -> None:
    """Within the grace time everything queued is answered; afterwards a request is told that we are leaving."""

    async def scenario() -> None:
        batcher = Batcher(double, budget=4, threads=2, unit="rows")
        batcher.start()
        pending = [asyncio.ensure_future(batcher.submit([Item(n, 1)], FAR)) for n in range(20)]
        await asyncio.sleep(0)
        await batcher.close(10.0)
        assert [await one for one in pending] == [[2 * n] for n in range(20)]
        with pytest.raises(FreeholdError, match="shutting_down"):
            await batcher.submit([Item(1, 1)], FAR)

    asyncio.run(scenario())


def test_what_does_not_fit_into_the_grace_time_is_refused() -> None:
    """A request that still waits when the grace time ends raises shutting_down."""
    gate = Gate()

    async def scenario() -> None:
        batcher = Batcher(gate.run, budget=1, threads=1, unit="rows")
        batcher.start()
        running = asyncio.ensure_future(batcher.submit([Item(1, 1)], FAR))
        await until(lambda: gate.entered.acquire(blocking=False))
        left = asyncio.ensure_future(batcher.submit([Item(2, 1)], FAR))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(batcher.close(0.0))
        with pytest.raises(FreeholdError, match="shutting_down"):
            await left
        gate.opened.release()
        await closing
        assert await running == [2]

    asyncio.run(scenario())


def test_batches_are_reported_with_their_waits_and_costs() -> None:
    """Metrics see every item once, with its queue time, and the cost in the batcher's unit."""
    seen: list[Batch] = []

    async def body(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.submit([Item(n, 3)], FAR) for n in range(10)))

    asyncio.run(with_batcher(double, body, budget=9, on_batch=seen.append))
    assert sum(batch.items for batch in seen) == 10
    assert sum(batch.cost for batch in seen) == 30
    assert all(len(batch.queued_s) == batch.items and min(batch.queued_s) >= 0 for batch in seen)


def test_items_of_another_key_keep_their_places() -> None:
    """A batch takes its key from the oldest item; the passed ones are first in the next."""
    queue = deque([waiting(1, "a", 1), waiting(1, "b", 2), waiting(1, "a", 3), waiting(1, "b", 4)])
    assert [item.payload for item in first_come(queue, 10)] == [1, 3]
    assert [item.payload for item in first_come(queue, 10)] == [2, 4]


def test_a_padded_batch_takes_the_oldest_and_its_nearest_lengths() -> None:
    """Length times count stays within the budget, and the oldest item is always in."""
    queue = deque([waiting(10, payload=1), waiting(90, payload=2), waiting(11, payload=3), waiting(9, payload=4)])
    assert sorted(item.payload for item in nearest_length(queue, 33)) == [1, 3, 4]
    assert [item.payload for item in queue] == [2]


items = st.lists(st.tuples(st.integers(1, 40), st.sampled_from("ab")), max_size=60)


@given(items, st.integers(1, 60), st.sampled_from([first_come, nearest_length]))
@settings(deadline=None)
def test_forming_batches_loses_and_repeats_nothing(costs: list[tuple[int, str]], budget: int, form: Any) -> None:
    """Whatever waits comes out exactly once, one key a batch, the oldest always first, within the budget."""
    queue = deque(waiting(cost, key, place) for place, (cost, key) in enumerate(costs))
    out: list[int] = []
    while queue:
        oldest = queue[0].payload
        batch = form(queue, budget)
        assert batch[0].payload == oldest
        assert len({item.key for item in batch}) == 1
        spent = (
            sum(item.cost for item in batch) if form is first_come else max(item.cost for item in batch) * len(batch)
        )
        assert len(batch) == 1 or spent <= budget
        out += [item.payload for item in batch]
    assert sorted(out) == list(range(len(costs)))


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), max_size=12), st.integers(1, 20), st.integers(1, 2)
)
@settings(deadline=None, max_examples=40)
def test_accounting_returns_to_zero(requests: list[list[int]], budget: int, threads: int) -> None:
    """After any mix of requests, answered or cancelled, nothing is counted as waiting or running."""

    async def body(batcher: Batcher) -> None:
        tasks = [
            asyncio.ensure_future(batcher.submit([Item(cost, cost) for cost in costs], FAR, later=place % 2 == 0))
            for place, costs in enumerate(requests)
        ]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: batcher.capacity().running == 0)
        assert (batcher.capacity().queued, batcher.capacity().later) == (0, 0)

    asyncio.run(with_batcher(double, body, budget=budget, threads=threads))
