"""A closed loop of HTTP clients, in a process of its own: each sends its next request when the last is answered.

Every server gets the same number of the same requests, in the same order, and all are answered before the clock
stops, so that CPU time per item is exact. For the cheap tensor requests, tens of thousands a second, `bench.wrk` is
used instead: this one costs about 40 us a request.

Run as `python -m bench.client`: a msgpack `Job` on standard input, a msgpack `Outcome` on standard output.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from typing import TypeVar, cast

import httptools
import msgspec

from bench.places import ROOT

T = TypeVar("T")


class Job(msgspec.Struct, frozen=True):
    """What to send. `bodies` are sent in turn, over and over, `requests` times in all, or until `seconds` are over."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[bytes]
    concurrency: int
    requests: int
    seconds: float
    timeout_s: float = 60.0
    new_connections: bool = False  # one connection a request, as `requests.post` makes them
    keep_answers: bool = False


class Outcome(msgspec.Struct):
    """What came back. `answered` counts the 200s by body; `seconds` is from the first send to the last answer."""

    seconds: float
    latencies_s: list[float]
    answered: dict[int, int]
    statuses: dict[int, int]
    timed_out: int
    broken: int
    answers: list[bytes]


def send(job: Job) -> Outcome:
    """Run `job` in a client process and wait for it. Raises as `have_done`."""
    return have_done("bench.client", job, Outcome)


def have_done(module: str, job: msgspec.Struct, outcome: type[T]) -> T:
    """What `python -m module` makes of a job, in a process of its own: msgpack in, msgpack out, by `hand_over`.

    Raises CalledProcessError, ValueError when it broke.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        input=msgspec.msgpack.encode(job),
        stdout=subprocess.PIPE,
        check=True,
    )
    try:
        return msgspec.msgpack.decode(done.stdout, type=outcome)
    except msgspec.DecodeError as error:
        raise ValueError(f"{module} wrote {len(done.stdout)} bytes that are no outcome: {error}") from error


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with one request under way."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def request(self, wire: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(wire)
        return self._waiting

    def close(self) -> None:
        self.closed = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status, body = self._parser.get_status_code(), b"".join(self._body)
        keep = self._parser.should_keep_alive()
        self._reset()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result((status, body))
        if not keep:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("closed before the answer"))


class _Load:
    """The requests still to send and what became of the others; shared by all connections."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.outcome = Outcome(0.0, [], {}, {}, 0, 0, [])
        self._sent = 0
        self._answered: Counter[int] = Counter()
        self._statuses: Counter[int] = Counter()
        keep = "close" if job.new_connections else "keep-alive"
        headers = "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
        head = f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nConnection: {keep}\r\n{headers}"
        self._wires = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in job.bodies]

    async def run(self) -> Outcome:
        began = time.perf_counter()
        self._end = began + self.job.seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(self.job.concurrency):
                group.create_task(self._client())
        self.outcome.seconds = time.perf_counter() - began
        self.outcome.answered = dict(self._answered)
        self.outcome.statuses = dict(self._statuses)
        return self.outcome

    def _next(self) -> int | None:
        if self._sent >= self.job.requests or time.perf_counter() >= self._end:
            return None
        self._sent += 1
        return (self._sent - 1) % len(self._wires)

    async def _client(self) -> None:
        connection: _Connection | None = None
        while (index := self._next()) is not None:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self.job.timeout_s):
                    if connection is None or connection.closed:
                        connection = await self._connect()
                    status, body = await connection.request(self._wires[index])
            except TimeoutError:
                self.outcome.timed_out += 1
                if connection:
                    connection.close()
                continue
            except OSError:
                self.outcome.broken += 1
                await asyncio.sleep(0.05)  # a server that is gone must not be asked ten thousand times a second
                continue
            self._record(index, status, body, time.perf_counter() - began)
            if self.job.new_connections:
                connection.close()
        if connection:
            connection.close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self.job.port)
        return connection

    def _record(self, index: int, status: int, body: bytes, seconds: float) -> None:
        self._statuses[status] += 1
        if status == 200:
            self._answered[index] += 1
            self.outcome.latencies_s.append(seconds)
        if self.job.keep_answers:
            self.outcome.answers.append(body)


def hand_over(data: bytes) -> None:
    """Write everything to standard output, a pipe that may take part of it at a time: what the interpreter writes on
    its way out was once cut short without an error."""
    sys.stdout.flush()
    while data:
        try:
            data = data[os.write(sys.stdout.fileno(), data) :]
        except BlockingIOError:
            time.sleep(0.001)


def main() -> None:
    """Read a job, run it, write the outcome."""
    import uvloop

    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    outcome = uvloop.run(_Load(job).run())
    hand_over(msgspec.msgpack.encode(outcome))


if __name__ == "__main__":
    main()
