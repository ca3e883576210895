"""A crowd of clients for a server under test, and waiting for what will come."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

PATIENCE_S = 30.0  # only a broken test waits this long
REMEMBERED = 1000  # refusals of a crowd


class Served(Protocol):
    """A server that has a host and a port."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for sockets."""
        ...


def eventually(found: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """What `found` returns as soon as that is true; fails after `seconds`."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class Tally:
    """What a crowd saw: answers by status, the first refusals with their headers, connections that broke, and how long
    those waited who were answered, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Crowd:
    """Clients that each send one request after another on a connection of their own, until the block ends.

    `body(i)` makes the i-th request of a client. `check(body)` sees each 200. A refused client pauses for `pause_s`,
    one that was answered for `rest_s`.
    """

    def __init__(
        self,
        node: Served,
        path: str,
        body: Callable[[int], bytes],
        clients: int,
        *,
        check: Callable[[bytes], bool] = lambda _: True,
        pause_s: float = 0.1,
        rest_s: float = 0.0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.tally = Tally()
        self._address = node.address
        self._path, self._body, self._check = path, body, check
        self._pause_s, self._rest_s = pause_s, rest_s
        self._headers = {"Content-Type": "application/json", **headers}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads), "a client never got its answer"

    def wait_for(self, answers: int, status: int = 200) -> None:
        """Until so many more answers of that status have come."""
        wanted = self.tally.statuses[status] + answers
        eventually(lambda: self.tally.statuses[status] >= wanted, f"{answers} answers {status}: {self.tally}")

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE_S)
        turn = number
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                connection.request("POST", self._path, self._body(turn), self._headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.tally.broken.append(repr(error))
                connection.close()
                continue
            turn += 1
            self._count(answer, content, time.monotonic() - begun)
            if self._rest_s:
                time.sleep(self._rest_s)
        connection.close()

    def _count(self, answer: http.client.HTTPResponse, content: bytes, seconds: float) -> None:
        if answer.status == 200:
            self.tally.seconds.append(seconds)
            if not self._check(content):
                self.tally.wrong.append(content[:200].decode(errors="replace"))
        else:
            if len(self.tally.refusals) < REMEMBERED:
                self.tally.refusals.append(({k.lower(): v for k, v in answer.getheaders()}, json.loads(content)))
            time.sleep(self._pause_s)
        self.tally.statuses[answer.status] += 1
