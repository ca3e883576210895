"""How far a transfer is, for whoever watches."""

import threading
import time
from collections.abc import Callable

PERIOD_S = 0.1  # between two sayings

Say = Callable[[str], None]


class StoppedError(Exception):
    """Raised where bytes move, after another thread of the same transfer has failed."""


class Meter:
    """Counts bytes of many threads, and says "push minilm:1: 12.0 of 90.3 MB" as they move."""

    def __init__(self, title: str, say: Say) -> None:
        self._title = title
        self._say = say
        self._lock = threading.Lock()
        self._expected = 0
        self._there = 0
        self._next = 0.0
        self._stopped = False
        self.moved = 0
        """Bytes of content that crossed the network, again where something had to be sent again."""

    def expect(self, size: int) -> None:
        """`size` more bytes are to be moved."""
        with self._lock:
            self._expected += size

    def move(self, size: int) -> None:
        """`size` bytes crossed the network. Raises StoppedError after `stop`."""
        with self._lock:
            if self._stopped:
                raise StoppedError
            self.moved += size
            self._there += size
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + PERIOD_S
            text = f"{self._title}: {self._there / 1e6:.1f} of {self._expected / 1e6:.1f} MB"
        self._say(text)

    def keep(self, size: int) -> None:
        """`size` bytes need not move: an earlier try brought them, or, below zero, they turned out to be lost."""
        with self._lock:
            self._there += size

    def stop(self) -> None:
        """Let every thread that moves bytes end."""
        with self._lock:
            self._stopped = True
