"""Requests at fixed times, whether or not earlier ones were answered, in a process of its own.

A closed loop waits for a slow server and so hides what it does to others; this one does not. Connections are kept and
used again; one more is opened whenever all of them wait.

Run as `python -m bench.openloop`: a msgpack `Job` on standard input, a msgpack `Outcome` on standard output.
"""

import asyncio
import sys
import time

import msgspec

from bench.client import hand_over, have_done


class Job(msgspec.Struct, frozen=True):
    """`rate` requests a second for `seconds`, all the same."""

    port: int
    path: str
    body: bytes
    rate: float
    seconds: float


class Outcome(msgspec.Struct):
    """Seconds from sending to the last byte, of each 200; how many had another end; how many connections it took."""

    latencies_s: list[float]
    failed: int
    connections: int


def send(job: Job) -> Outcome:
    """Run `job` in a client process and wait for it. Raises as `have_done`."""
    return have_done("bench.openloop", job, Outcome)


class _Loop:
    """The connections and what came back over them."""

    def __init__(self, job: Job) -> None:
        head = (
            f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(job.body)}\r\n\r\n"
        )
        self._wire = head.encode() + job.body
        self._port = job.port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.outcome = Outcome([], 0, 0)

    async def ask(self) -> None:
        """One request, on a connection that is free."""
        began = time.perf_counter()
        try:
            if self._idle:
                reader, writer = self._idle.pop()
            else:
                self.outcome.connections += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                began = time.perf_counter()
            writer.write(self._wire)
            status, stays = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            self.outcome.failed += 1
            return
        if stays:
            self._idle.append((reader, writer))
        else:
            writer.close()
        if status == 200:
            self.outcome.latencies_s.append(time.perf_counter() - began)
        else:
            self.outcome.failed += 1

    def close(self) -> None:
        """Close what is open."""
        for _, writer in self._idle:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of one answer, read to its end, and whether its connection can be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while (size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
    return int(head.split(b" ", 2)[1]), b"connection: close" not in head


async def _run(job: Job) -> Outcome:
    loop, clients = _Loop(job), set()
    began = time.perf_counter()
    for turn in range(int(job.rate * job.seconds)):
        await asyncio.sleep(max(0.0, began + turn / job.rate - time.perf_counter()))
        client = asyncio.create_task(loop.ask())
        clients.add(client)
        client.add_done_callback(clients.discard)
    await asyncio.gather(*clients)
    loop.close()
    return loop.outcome


def main() -> None:
    """Read a job, run it, write the outcome."""
    import uvloop

    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    hand_over(msgspec.msgpack.encode(uvloop.run(_run(job))))


if __name__ == "__main__":
    main()
