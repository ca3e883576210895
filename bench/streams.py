"""Clients that read answers as they are generated, in a process of their own: when did each token arrive?

Run as `python -m bench.streams`: a msgpack `Job` on standard input, a msgpack `Outcome` on standard output.
"""

import asyncio
import subprocess
import sys
import time
from typing import cast

import httptools
import msgspec
import numpy as np

from bench.client import hand_over
from bench.places import ROOT


class Ask(msgspec.Struct, frozen=True):
    """One request: its body, and when it is sent, in seconds after the start of the job."""

    body: bytes
    at_s: float = 0.0


class Job(msgspec.Struct, frozen=True):
    """All `asks` go to one path of one port, each on a connection of its own."""

    port: int
    path: str
    asks: list[Ask]
    timeout_s: float = 300.0


class Stream(msgspec.Struct):
    """One answer. Times are seconds after the start of the job; `frames_s` has one entry a data frame with choices."""

    sent_s: float
    status: int = 0
    frames_s: list[float] = []
    body: bytes = b""


class Outcome(msgspec.Struct):
    """The streams, in the order of the asks."""

    streams: list[Stream]


def read(job: Job) -> list[Stream]:
    """Run `job` in a client process. Raises CalledProcessError, ValueError when a stream was not answered with 200."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.streams"],
        cwd=ROOT,
        input=msgspec.msgpack.encode(job),
        stdout=subprocess.PIPE,
        check=True,
    )
    streams = msgspec.msgpack.decode(done.stdout, type=Outcome).streams
    for stream in streams:
        if stream.status != 200 or not stream.frames_s:
            raise ValueError(f"status {stream.status}, answer: {stream.body[:300]!r}")
    return streams


def steady_rate(streams: list[Stream]) -> float:
    """Tokens a second of all streams together, while all of them were under way: from the moment when the last one has
    its first token until the first one ends."""
    begin = max(stream.frames_s[0] for stream in streams)
    end = min(stream.frames_s[-1] for stream in streams)
    if end <= begin:
        raise ValueError("the streams were never all under way: ask for more tokens")
    return sum(sum(begin < at <= end for at in stream.frames_s) for stream in streams) / (end - begin)


def first_s(stream: Stream) -> float:
    """Seconds from sending to the first token."""
    return stream.frames_s[0] - stream.sent_s


def gaps_s(stream: Stream, begin: float, end: float) -> list[float]:
    """Seconds between tokens that arrived between `begin` and `end`."""
    inside = [at for at in stream.frames_s if begin <= at <= end]
    return np.diff(inside).tolist()


class _Reader(asyncio.Protocol):
    """One connection, one request, frames noted as they come."""

    def __init__(self, began: float) -> None:
        self.stream = Stream(0.0, frames_s=[])
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = began
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""

    def ask(self, head: bytes, body: bytes) -> None:
        self.stream.sent_s = time.perf_counter() - self._began
        self._transport.write(head % len(body) + body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        now = time.perf_counter() - self._began
        *frames, self._rest = (self._rest + body).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b"data: {") and b'"choices":[]' not in frame:
                self.stream.frames_s.append(now)
        if not self.stream.frames_s:
            self.stream.body += body

    def on_message_complete(self) -> None:
        self.stream.status = self._parser.get_status_code()
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _run(job: Job) -> Outcome:
    began = time.perf_counter()
    head = (
        f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    ).encode()

    async def one(ask: Ask) -> Stream:
        await asyncio.sleep(ask.at_s)
        loop = asyncio.get_running_loop()
        _, reader = await loop.create_connection(lambda: _Reader(began), "127.0.0.1", job.port)
        reader.ask(head, ask.body)
        async with asyncio.timeout(job.timeout_s):
            await reader.done
        return reader.stream

    return Outcome(list(await asyncio.gather(*map(one, job.asks))))


def main() -> None:
    """Read a job, run it, write the outcome."""
    import uvloop

    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    hand_over(msgspec.msgpack.encode(uvloop.run(_run(job))))


if __name__ == "__main__":
    main()
