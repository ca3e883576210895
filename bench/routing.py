"""What a gateway costs: the same upstream asked directly and through each front, in turns.

Open loop (500 requests a second), one client, 64 clients, 500 streams of 20 frames a second; and of ours what 10,000
idle connections hold and how soon 1,000 changed routes are in force.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench import fronts, openloop, streams, wrk
from bench.fronts import DIRECT, FREEHOLD, FRONTS, LITELLM, MODEL, Front, Place
from bench.places import ROOT
from bench.processes import ServerProcess, free_port
from bench.results import Sample
from bench.rows import Row, Scale, Workload

PATH = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
BODY = json.dumps(
    {"model": MODEL, "messages": [{"role": "user", "content": "When does a lease end, and who says so? " * 4}]}
).encode()
RATE = 500
FRAME_GAP_MS = 50.0
STREAMS = 500
IDLE = 10_000
ROUTES = 1_000

OPEN, ALONE, BUSY = "route-open", "route-alone", "route-busy"
STREAMED, HELD, CHANGED = "route-streams", "route-idle", "route-change"


@dataclass(frozen=True)
class Asked:
    """What a turn measures: the front, or the upstream itself, and the process that pays."""

    process: ServerProcess
    name: str
    turn: int

    def sample(self, workload: str, concurrency: int, items: int, seconds: float, cpu: float, **more: float) -> Sample:
        """A sample of it."""
        fields = {"concurrency": concurrency, "items": items, "seconds": seconds, "cpu_seconds": cpu, **more}
        return Sample(workload=workload, server=self.name, round=self.turn, **fields)


@contextmanager
def standing(front: Front | None, turn: int) -> Iterator[Asked]:
    """The upstream, and before it `front`, if any, warmed."""
    with fronts.upstream(free_port()) as behind:
        if front is None:
            yield Asked(behind, DIRECT, turn)
            return
        with fronts.start(front, behind.port) as process:
            wrk.send(process.port, PATH, JSON, BODY, 8, 1)
            yield Asked(process, front.name, turn)


def whole(front: Front | None, scale: Scale, turn: int) -> list[Sample]:
    """Whole answers: open loop, one client, 64 clients. LiteLLM cannot take the open loop's rate."""
    with standing(front, turn) as asked:
        port, found = asked.process.port, []
        if front is not LITELLM:
            before = asked.process.cpu_seconds()
            job = openloop.Job(port, PATH, BODY, RATE, max(2.0, 10 * scale.seconds))
            outcome = openloop.send(job)
            p50, p99 = map(float, np.percentile(outcome.latencies_s, [50, 99]))
            spent = asked.process.cpu_seconds() - before
            count = len(outcome.latencies_s)
            found.append(
                asked.sample(OPEN, RATE, count, job.seconds, spent, p50_s=p50, p99_s=p99, failed=outcome.failed)
            )
        for workload, clients in ((ALONE, 1), (BUSY, 64)):
            before = asked.process.cpu_seconds()
            seen = wrk.send(port, PATH, JSON, BODY, clients, 6 * scale.seconds)
            spent = asked.process.cpu_seconds() - before
            answered = seen.requests - seen.failed
            more = {"p50_s": seen.p50_s, "p99_s": seen.p99_s, "failed": seen.failed}
            found.append(asked.sample(workload, clients, answered, seen.seconds, spent, **more))
        asked.process.check_alive()
        return found


def streamed(front: Front | None, scale: Scale, turn: int) -> list[Sample]:
    """500 streams; the gap between frames as the clients see it. LiteLLM gets fewer frames: it would take minutes."""
    frames = 20 if front is LITELLM else max(40, round(200 * scale.seconds))
    body = json.dumps({"model": MODEL, "stream": True, "messages": [], "frames": frames, "gap_ms": FRAME_GAP_MS})
    asks = [streams.Ask(body.encode(), turn * FRAME_GAP_MS / STREAMS / 1e3) for turn in range(STREAMS)]
    with standing(front, turn) as asked:
        before, began = asked.process.cpu_seconds(), time.perf_counter()
        answers = streams.read(streams.Job(asked.process.port, PATH, asks))
        spent, seconds = asked.process.cpu_seconds() - before, time.perf_counter() - began
        gaps = np.concatenate([np.diff(answer.frames_s) for answer in answers])
        late = [float(np.percentile(gaps, share)) for share in (50, 99)]
        count = sum(len(answer.frames_s) for answer in answers)
        memory = asked.process.pss_bytes()
        return [asked.sample(STREAMED, STREAMS, count, seconds, spent, p50_s=late[0], p99_s=late[1], pss_bytes=memory)]


def idle(front: Front, turn: int) -> list[Sample]:
    """Memory with 10,000 connections that have asked once and wait."""
    with standing(front, turn) as asked:
        argv = [sys.executable, "-m", "bench.routing", str(asked.process.port), str(IDLE), front.ready_path]
        client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert client.stdout is not None
        opened = int(client.stdout.readline() or 0)
        memory = asked.process.pss_bytes()
        client.communicate("over\n")
        return [asked.sample(HELD, IDLE, opened, 0.0, 0.0, pss_bytes=memory, failed=IDLE - opened)]


def changed(turn: int) -> list[Sample]:
    """Seconds from the moment when a file with 1,000 changed routes is in place until the last of them is in force,
    under 200 requests a second of which none may fail."""
    first = partial(_many, target=0)
    with fronts.upstream(free_port()) as behind, fronts.start(FREEHOLD, behind.port, first) as process:
        asked = Asked(process, FREEHOLD.name, turn)
        outcomes: list[openloop.Outcome] = []
        body = BODY.replace(MODEL.encode(), b"route-1")
        job = openloop.Job(process.port, PATH, body, 200, 8)
        load = threading.Thread(target=lambda: outcomes.append(openloop.send(job)))
        load.start()
        time.sleep(2)
        assert _answers(process.port) == "model-0", "the first file is not in force"
        place = Place(FREEHOLD.folder, process.port, behind.port)
        aside = place.config.with_suffix(".new")
        aside.write_text(_many(place, target=1))
        aside.replace(place.config)
        began, before = time.perf_counter(), process.cpu_seconds()
        while _answers(process.port) != "model-1" and time.perf_counter() - began < 30:
            time.sleep(0.005)
        seconds, spent = time.perf_counter() - began, process.cpu_seconds() - before
        load.join()
        (outcome,) = outcomes
        p50, p99 = map(float, np.percentile(outcome.latencies_s, [50, 99]))
        return [asked.sample(CHANGED, ROUTES, ROUTES, seconds, spent, p50_s=p50, p99_s=p99, failed=outcome.failed)]


def _many(place: Place, target: int) -> str:
    """A configuration of 1,000 routes to one of two models, as YAML that people would write."""
    source = f"'http://127.0.0.1:{place.behind}/v1'"
    models = [f"  - {{id: model-{number}, source: {source}, upstream_model: {MODEL}}}" for number in (0, 1)]
    routes = [f"  - {{model: route-{number}, to: [{{id: model-{target}}}]}}" for number in range(ROUTES)]
    return "\n".join([f"server: {{port: {place.port}}}", "models:", *models, "routes:", *routes, ""])


def _answers(port: int) -> str | None:
    """The model that answers the last route."""
    body = BODY.replace(MODEL.encode(), f"route-{ROUTES - 1}".encode())
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", body, JSON)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return str(answer.headers["x-freehold-model"])


def workloads(scale: Scale) -> list[Workload]:
    """All of them."""
    everyone: list[Front | None] = [None, *FRONTS]

    def rows(measured: Callable[[Front | None, Scale, int], list[Sample]]) -> list[Row]:
        return [Row(front.name if front else DIRECT, partial(measured, front, scale)) for front in everyone]

    change = [Row(FREEHOLD.name, changed)]
    waiting = [Row(front.name, partial(idle, front)) for front in (FREEHOLD, fronts.ENVOY)]
    return [
        Workload(OPEN, "Routing by the body's model", scale.rounds, rows(whole)),
        Workload(STREAMED, "500 streams of 20 frames a second, passed on", scale.rounds, rows(streamed)),
        Workload(HELD, "10,000 idle connections", 1, waiting),
        Workload(CHANGED, "1,000 routes change while requests come", scale.rounds, change),
    ]


def main() -> None:
    """Open connections to a port, ask once on each, say how many there are, and hold them until told."""
    import asyncio
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def hold(port: int, count: int, path: str) -> None:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        held = []
        for _ in range(count):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                break
            held.append((reader, writer))
        print(len(held), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        os._exit(0)

    asyncio.run(hold(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))


if __name__ == "__main__":
    main()
