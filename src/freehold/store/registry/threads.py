"""Blobs side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from freehold.store.registry.meter import Meter

PARALLEL = 4

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T], meter: Meter) -> list[R]:
    """What `work` gives for each of `items`, in their order. The first failure stops the rest, and is raised."""
    pool = ThreadPoolExecutor(PARALLEL, "transfer")
    futures = [pool.submit(work, item) for item in items]
    try:
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]
    except BaseException:
        meter.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
