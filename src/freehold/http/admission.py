"""Who may wait for a model. The default bound is time and memory, not a count.

Dify's plugins never retry, so a refusal loses a document of an indexing job, while a wait of less than their 60 s time
limit costs nothing. A request is let in as long as its turn is expected within its deadline and there is memory for
it; otherwise it is refused at once, before anything is computed for it, and told why and when to come back.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from freehold.artifact import Kind
from freehold.config import Limits
from freehold.engine.base import Capacity
from freehold.errors import FreeholdError
from freehold.http.memory import MemoryBudget
from freehold.telemetry import Value

LONGEST_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Permit:
    """A place among the requests of a model. `deadline` is loop time: by then its turn must have come."""

    deadline: float


class Admission:
    """The door of one model. Used from the event loop's thread only.

    The strict profile bounds requests as well: at most `concurrency` in flight, and `queue` waiting beyond these (with
    `queue` alone, one request counts as being computed). `in_flight_tokens` bounds what the engine holds.
    """

    def __init__(
        self,
        limits: Limits,
        capacity: Callable[[], Capacity],
        memory: MemoryBudget,
        *,
        kind: Kind = "tensor",
        model: str = "The model",
        in_flight: Value | None = None,
    ) -> None:
        """`kind` chooses the deadline that `limits` leave open; `in_flight` is a gauge that counts the admitted, which
        versions of a model share."""
        self.in_flight = 0
        """Requests that hold a permit now."""
        self._limits = limits
        self._deadline_s = limits.deadline_for(kind)
        self._capacity = capacity
        self._memory = memory
        self._model = model
        self._gauge = in_flight if in_flight is not None else Value()
        self._most = _most_requests(limits)

    @contextmanager
    def admit(self, cost_bytes: int, timeout_s: float | None = None, *, later: bool = False) -> Iterator[Permit]:
        """Hold a place and `cost_bytes` of memory for the length of a block. `timeout_s` may shorten the deadline; one
        that may come `later` waits for all that is queued, others not for what lets them go first.

        Raises `overloaded` with its `reason`: deadline, memory, concurrency, queue or tokens; and
        `request_exceeds_memory` when no wait would ever help.
        """
        within_s = self._deadline_s if timeout_s is None else min(timeout_s, self._deadline_s)
        self._check(within_s, later)
        with self._memory.hold(cost_bytes):
            self.in_flight += 1
            self._gauge.value += 1
            try:
                yield Permit(asyncio.get_running_loop().time() + within_s)
            finally:
                self.in_flight -= 1
                self._gauge.value -= 1

    def _check(self, within_s: float, later: bool) -> None:
        limits = self._limits
        if self._most is not None and self.in_flight >= self._most:
            reason = "concurrency" if limits.queue is None else "queue"
            raise self._refusal(reason, f"{self.in_flight} requests", str(self._most), f"limits.{reason}", 1)
        capacity = self._capacity()
        held = capacity.queued + capacity.running
        if limits.in_flight_tokens is not None and capacity.unit == "tokens" and held > limits.in_flight_tokens:
            limit = str(limits.in_flight_tokens)
            raise self._refusal("tokens", f"{held} tokens", limit, "limits.in_flight_tokens", 1)
        if capacity.per_second > 0:
            ahead = capacity.queued if later else capacity.queued - capacity.later
            start_s = ahead / capacity.per_second
            if start_s > within_s:
                seen, limit = f"expected start in {start_s:.1f} s", f"{within_s:g} s"
                retry_after_s = min(max(1, ceil(start_s - within_s)), LONGEST_RETRY_AFTER_S)
                setting = "limits.deadline_s" if within_s == self._deadline_s else "timeout"
                raise self._refusal("deadline", seen, limit, setting, retry_after_s)

    def _refusal(self, reason: str, seen: str, limit: str, setting: str, retry_after_s: int) -> FreeholdError:
        return FreeholdError(
            "overloaded",
            model=self._model,
            reason=reason,
            seen=seen,
            limit=limit,
            setting=setting,
            retry_after_s=retry_after_s,
        )


def _most_requests(limits: Limits) -> int | None:
    """How many requests the strict profile lets in; None where it sets no count."""
    if limits.concurrency is None and limits.queue is None:
        return None
    return (limits.concurrency or 1) + (limits.queue or 0)
