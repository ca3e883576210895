"""The threads of an event loop for what blocks, which nobody waits for at its end."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Threads(ThreadPoolExecutor):
    """What `asyncio.to_thread` runs on. Native code that loads a model cannot be stopped, and may take minutes: a loop
    that ends waits for its threads, and so the process would outlive its grace time."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._running: set[Future[Any]] = set()

    @property
    def busy(self) -> bool:
        """Whether something still runs: the interpreter's own end would wait for it."""
        return bool(self._running)

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> "Future[Any]":
        """As any executor's."""
        future = super().submit(work, *args, **named)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work, and return."""
        super().shutdown(wait=False, cancel_futures=True)
