"""The memory of all requests together."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from freehold.errors import FreeholdError
from freehold.http.memory import MemoryBudget

LIMIT = 1000


class Accounting(RuleBasedStateMachine):
    """Whatever is taken and given, the sum is what is held, and never beyond the limit."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = MemoryBudget(LIMIT)
        self.held: list[int] = []

    @rule(size=st.integers(0, 1500))
    def take(self, size: int) -> None:
        free = LIMIT - sum(self.held)
        if size <= free:
            self.budget.take(size)
            self.held.append(size)
            return
        with pytest.raises(FreeholdError) as caught:
            self.budget.take(size)
        assert caught.value.code == ("request_exceeds_memory" if size > LIMIT else "overloaded")

    @rule()
    def give(self) -> None:
        if self.held:
            self.budget.give(self.held.pop())

    @rule(size=st.integers(0, 500), fails=st.booleans())
    def hold(self, size: int, fails: bool) -> None:
        try:
            with self.budget.hold(size):
                assert self.budget.used == sum(self.held) + size
                if fails:
                    raise KeyError
        except (KeyError, FreeholdError):
            pass

    @invariant()
    def adds_up(self) -> None:
        assert 0 <= self.budget.used == sum(self.held) <= LIMIT


TestAccounting = Accounting.TestCase


def test_a_refusal_has_numbers_reason_and_setting() -> None:
    """What a client and an operator need."""
    budget = MemoryBudget(3 << 20)
    budget.take(2 << 20)
    with pytest.raises(FreeholdError) as caught:
        budget.take(2 << 20)
    assert caught.value.details["reason"] == "memory"
    assert "4.0 MB" in caught.value.cause
    assert "3.0 MB" in caught.value.cause
    assert "limits.in_flight_mb" in caught.value.fix


def test_giving_back_what_was_not_taken_is_a_mistake() -> None:
    """It would let in more than the limit."""
    with pytest.raises(ValueError, match="given back"):
        MemoryBudget(10).give(1)


def test_a_budget_of_nothing_is_a_mistake() -> None:
    """It would refuse everybody."""
    with pytest.raises(ValueError, match="positive"):
        MemoryBudget(0)
