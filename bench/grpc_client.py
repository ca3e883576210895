"""A closed loop of gRPC calls, in a process of its own: as `bench.wrk`, one message again and again for some seconds.

The client is grpcio's, for all servers alike. It costs more than most of them, so CPU time of the server is what tells.

Run as `python -m bench.grpc_client`: a msgpack `Job` on standard input, a msgpack `Outcome` on standard output.
"""

import asyncio
import sys
import time

import grpc
import grpc.aio
import msgspec
import numpy as np

from bench.client import hand_over, have_done
from bench.wrk import Summary


class Job(msgspec.Struct, frozen=True):
    """What to send, from `concurrency` clients at once."""

    port: int
    method: str
    message: bytes
    concurrency: int
    seconds: float
    timeout_s: float = 60.0


class Outcome(msgspec.Struct, frozen=True):
    """What came of it, and the last answer."""

    summary: Summary
    answer: bytes


def send(job: Job) -> Outcome:
    """Run `job` in a client process and wait for it. Raises as `have_done`."""
    return have_done("bench.grpc_client", job, Outcome)


async def _load(job: Job) -> Outcome:
    latencies: list[float] = []
    answers = [b""]
    failed = 0

    async def client(ask: grpc.aio.UnaryUnaryMultiCallable, end: float) -> None:
        nonlocal failed
        while (began := time.perf_counter()) < end:
            try:
                answers[0] = await ask(job.message, timeout=job.timeout_s)
            except grpc.RpcError:
                failed += 1
            latencies.append(time.perf_counter() - began)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{job.port}") as channel:
        await channel.channel_ready()
        began = time.perf_counter()
        ask = channel.unary_unary(job.method)
        await asyncio.gather(*(client(ask, began + job.seconds) for _ in range(job.concurrency)))
        seconds = time.perf_counter() - began
    p50, p99 = np.percentile(latencies, [50, 99])
    return Outcome(Summary(len(latencies), seconds, float(p50), float(p99), failed), answers[0])


def main() -> None:
    """Read a job, run it, write the outcome."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    hand_over(msgspec.msgpack.encode(asyncio.run(_load(job))))


if __name__ == "__main__":
    main()
