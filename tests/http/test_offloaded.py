"""What waits for a disk, beside the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from freehold.errors import FreeholdError
from freehold.http.offloaded import offloaded


def test_both_ends_are_in_other_threads_and_hear_of_failures() -> None:
    """What the block raises goes through, and on."""
    seen: list[object] = []

    @contextmanager
    def manager() -> Iterator[None]:
        seen.append(threading.current_thread())
        try:
            yield
        except FreeholdError as failure:
            seen.append(failure.code)
            raise
        finally:
            seen.append(threading.current_thread())

    async def scenario(fails: bool) -> None:
        async with offloaded(manager()):
            if fails:
                raise FreeholdError("model_loading", model="m")

    asyncio.run(scenario(fails=False))
    with pytest.raises(FreeholdError, match="model_loading"):
        asyncio.run(scenario(fails=True))
    assert seen[3] == "model_loading"
    assert threading.current_thread() not in seen
    assert len(seen) == 5
