"""Blobs side by side."""

import threading

import pytest

from freehold.store.registry.meter import Meter, StoppedError
from freehold.store.registry.threads import side_by_side
from tests.docker_registry import silent


def test_results_come_in_order() -> None:
    """Whoever is ready first, the first result is the first item's."""
    assert side_by_side(lambda one: one * 2, list(range(50)), Meter("", silent)) == list(range(0, 100, 2))


def test_the_first_failure_stops_the_rest() -> None:
    """What moves is stopped, what has not begun never does, and the failure is raised."""
    meter = Meter("", silent)
    begun: list[int] = []
    failed = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            failed.set()
            raise ValueError("broken")
        failed.wait(20)
        while True:
            meter.move(1)

    with pytest.raises(ValueError, match="broken"):
        side_by_side(work, list(range(100)), meter)
    assert len(begun) < 100
    with pytest.raises(StoppedError):
        meter.move(1)
