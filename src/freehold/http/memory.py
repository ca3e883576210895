"""How many bytes all requests of the process may hold at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from freehold.errors import FreeholdError

MEGABYTE = 1 << 20


class MemoryBudget:
    """Bytes in flight over all models, bounded. Used from the event loop's thread only.

    Bodies take from it while they arrive and admitted requests while they wait and run, so that no mix of requests
    runs the process out of memory: what does not fit is refused before it is read.
    """

    __slots__ = ("_used", "limit")

    def __init__(self, limit: int) -> None:
        if limit <= 0:
            raise ValueError(f"a memory budget must be positive, not {limit}")
        self.limit = limit
        self._used = 0

    @property
    def used(self) -> int:
        """Bytes taken now."""
        return self._used

    def take(self, size: int) -> None:
        """Take `size` bytes. Raises `overloaded` when they are not free now, `request_exceeds_memory` when never."""
        self.check(size)
        self._used += size

    def check(self, size: int) -> None:
        """Raise what `take` would raise for `size` bytes; take nothing."""
        if self._used + size > self.limit:
            raise self._refusal(size)

    def give(self, size: int) -> None:
        """Give `size` taken bytes back."""
        if size > self._used:
            raise ValueError(f"{size} bytes given back, but only {self._used} are taken")
        self._used -= size

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold `size` bytes for the length of a block."""
        self.take(size)
        try:
            yield
        finally:
            self.give(size)

    def _refusal(self, size: int) -> FreeholdError:
        if size > self.limit:
            return FreeholdError("request_exceeds_memory", needed_mb=size / MEGABYTE, limit_mb=self.limit / MEGABYTE)
        return FreeholdError(
            "overloaded",
            model="The server",
            reason="memory",
            seen=f"{(self._used + size) / MEGABYTE:.1f} MB",
            limit=f"{self.limit / MEGABYTE:.1f} MB",
            setting="limits.in_flight_mb",
            retry_after_s=1,
        )
