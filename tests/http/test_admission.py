"""Who may wait: bounded by time and memory, and by counts where the strict profile says so."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import Kind
from freehold.config import Limits
from freehold.engine.base import Capacity
from freehold.errors import FreeholdError
from freehold.http.admission import Admission
from freehold.http.memory import MemoryBudget


def admission(
    limits: Limits | None = None, *, queued: int = 0, running: int = 0, per_second: float = 0.0, memory: int = 1000
) -> tuple[Admission, MemoryBudget]:
    budget = MemoryBudget(memory)
    capacity = Capacity("tokens", queued, running, per_second)
    return Admission(limits or Limits(), lambda: capacity, budget, model="bge-m3"), budget


async def refusal(door: Admission, cost: int = 0) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught, door.admit(cost):
        pass
    return caught.value


@pytest.mark.anyio
async def test_a_request_is_let_in_while_its_turn_comes_in_time() -> None:
    """10,000 Dify requests may wait when they all start within 50 s."""
    door, _ = admission(queued=50_000, per_second=1000.0)
    with door.admit(1) as permit:
        assert permit.deadline > asyncio.get_running_loop().time()
    assert door.in_flight == 0


@pytest.mark.anyio
async def test_a_request_whose_turn_comes_too_late_is_refused_with_numbers() -> None:
    """The reason, the expected start, the deadline, and when to come back."""
    door, budget = admission(queued=73_200, per_second=1000.0)
    error = await refusal(door, 10)
    assert (error.code, error.details["reason"], error.details["retry_after_s"]) == ("overloaded", "deadline", 24)
    assert "73.2 s" in error.cause
    assert "50 s" in error.cause
    assert "bge-m3" in error.cause
    assert "limits.deadline_s" in error.fix
    assert (door.in_flight, budget.used) == (0, 0)


@pytest.mark.anyio
async def test_a_request_may_wait_less_than_the_model_lets_it() -> None:
    """Its own timeout shortens the deadline and never lengthens it; a refusal names it as what to raise."""
    door, _ = admission(queued=5000, per_second=1000.0)
    for timeout_s in (6.0, 60.0, None):
        with door.admit(1, timeout_s) as permit:
            assert permit.deadline - asyncio.get_running_loop().time() <= (timeout_s or 50)
    with pytest.raises(FreeholdError) as caught, door.admit(1, 4.0):
        pass
    assert (caught.value.details["limit"], caught.value.details["setting"]) == ("4 s", "timeout")


@pytest.mark.anyio
async def test_nobody_waits_for_those_who_may_come_later() -> None:
    """What lets all others go first keeps none of them out; one of its own kind waits for everything."""
    capacity = Capacity("tokens", 80_000, 0, 1000.0, later=60_000)
    door = Admission(Limits(), lambda: capacity, MemoryBudget(1000))
    with door.admit(1):
        assert door.in_flight == 1
    with pytest.raises(FreeholdError, match="overloaded"), door.admit(1, later=True):
        pass


@pytest.mark.parametrize(
    ("limits", "kind", "deadline"),
    [(Limits(), "embed", "50 s"), (Limits(), "generate", "120 s"), (Limits(deadline_s=5), "generate", "5 s")],
)
@pytest.mark.anyio
async def test_text_may_wait_longer_for_its_first_token(limits: Limits, kind: Kind, deadline: str) -> None:
    """120 s, since its stream is kept open meanwhile; a deadline that was set counts for every kind."""
    door = Admission(limits, lambda: Capacity("tokens", 200, 0, 1.0), MemoryBudget(1000), kind=kind)
    error = await refusal(door)
    assert error.details["limit"] == deadline


@pytest.mark.anyio
async def test_nobody_is_told_to_come_back_later_than_in_a_minute() -> None:
    """The speed that was measured may be that of a slow start."""
    door, _ = admission(queued=10**9, per_second=1.0)
    assert (await refusal(door)).details["retry_after_s"] == 60


@pytest.mark.anyio
async def test_before_the_first_batch_only_memory_bounds() -> None:
    """No speed is known yet."""
    door, _ = admission(queued=10**9, per_second=0.0, memory=100)
    with door.admit(60):
        assert (await refusal(door, 60)).details["reason"] == "memory"
    with door.admit(60):
        pass


@pytest.mark.parametrize(
    ("limits", "let_in", "reason"),
    [
        (Limits(concurrency=3), 3, "concurrency"),
        (Limits(concurrency=2, queue=3), 5, "queue"),
        (Limits(queue=4), 5, "queue"),
        (Limits(concurrency=1, queue=0), 1, "queue"),
    ],
)
@pytest.mark.anyio
async def test_the_strict_profile_counts_requests(limits: Limits, let_in: int, reason: str) -> None:
    """One more than the count is refused, and the setting is named."""
    door, _ = admission(limits)
    with ExitStack() as held:
        for _ in range(let_in):
            held.enter_context(door.admit(1))
        error = await refusal(door)
        assert error.details["reason"] == reason
        assert f"limits.{reason}" in error.fix
        assert door.in_flight == let_in
    with door.admit(1):
        assert door.in_flight == 1


@pytest.mark.anyio
async def test_tokens_in_flight_are_bounded_where_the_limit_is_set() -> None:
    """What waits and what runs counts."""
    door, _ = admission(Limits(in_flight_tokens=100), queued=60, running=41)
    assert (await refusal(door)).details["reason"] == "tokens"
    door, _ = admission(Limits(in_flight_tokens=100), queued=60, running=40)
    with door.admit(1):
        pass


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans()), max_size=30))
def test_places_and_memory_always_come_back(requests: list[tuple[int, bool, bool]]) -> None:
    """Whether a request is refused, answered, or fails; in whatever order they end."""

    async def scenario() -> None:
        door, budget = admission(Limits(concurrency=5))
        held: list[tuple[int, ExitStack]] = []
        reasons: set[object] = set()
        for cost, fails, ends in requests:
            stack = ExitStack()
            try:
                stack.enter_context(door.admit(cost))
            except FreeholdError as error:
                reasons.add(error.details["reason"])
            else:
                held.append((cost, stack))
            assert door.in_flight == len(held) <= 5
            assert budget.used == sum(cost for cost, _ in held) <= 1000
            if fails:
                with pytest.raises(KeyError), door.admit(0) if len(held) < 5 else ExitStack():
                    raise KeyError
            if ends and held:
                held.pop(0)[1].close()
        for _, stack in held:
            stack.close()
        assert (door.in_flight, budget.used) == (0, 0)
        assert reasons <= {"memory", "concurrency"}

    asyncio.run(scenario())
