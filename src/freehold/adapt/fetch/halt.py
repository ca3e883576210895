"""The end of several transfers at once, also of those that wait for bytes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock

import httpx2


class Halt:
    """Set once: who asks sees it, and answers that are being read end as if they had been cut.

    Without it, Ctrl-C would wait for a silent server as long as a transfer does.
    """

    def __init__(self) -> None:
        self._set = Event()
        self._lock = Lock()
        self._open: set[socket.socket] = set()

    def set(self) -> None:
        """End everything."""
        with self._lock:
            self._set.set()
            for connection in self._open:
                _cut(connection)

    def is_set(self) -> bool:
        """Whether it has ended."""
        return self._set.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, until the end at the longest."""
        return self._set.wait(seconds)

    @contextmanager
    def reading(self, response: httpx2.Response) -> Iterator[None]:
        """While the body of `response` is read."""
        connection = response.extensions["network_stream"].get_extra_info("socket")
        with self._lock:
            self._open.add(connection)
            if self._set.is_set():
                _cut(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


def _cut(connection: socket.socket) -> None:
    """Wake up who reads. Of TLS only the connection below: its own shutdown would talk with the server first."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
