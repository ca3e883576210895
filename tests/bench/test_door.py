"""The bench of the door runs, and every way of it answers."""

import asyncio
from pathlib import Path

from bench.door import WAYS, run


def test_every_way_is_measured(tmp_path: Path) -> None:
    """A few requests: what they cost is for a quiet machine to say."""
    found = asyncio.run(run(requests=20, rounds=1, keys=50, folder=tmp_path))
    assert list(found) == [way.name for way in WAYS]
    assert all(microseconds > 0 for microseconds in found.values())
