"""What passing through us costs: an upstream asked directly and through a node before it, in turns.

The upstream only waits (bench/pacing.py), so that what is seen is ours: what is added to the first frame (p50, p99) and
which share of the upstream's own frames a second is kept.
"""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.places import ROOT, WORK
from bench.processes import Command, ServerProcess, free_port
from bench.results import Sample
from bench.streams import Ask, Job, first_s, read, steady_rate

WORKLOAD = "upstream"
MODEL = "paced"
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Load:
    """`streams` requests, one every `apart_ms`; each of `frames` frames, `gap_ms` apart."""

    name: str
    streams: int
    frames: int
    gap_ms: float
    apart_ms: float
    first_ms: float = 5.0

    def asks(self) -> list[Ask]:
        """The requests in the order of their sending."""
        asked = {"model": MODEL, "stream": True, "messages": [], "frames": self.frames, "gap_ms": self.gap_ms}
        body = json.dumps({**asked, "first_ms": self.first_ms}).encode()
        return [Ask(body, turn * self.apart_ms / 1e3) for turn in range(self.streams)]


FIRST = Load("first frame, one at a time", 200, 3, 1.0, 20.0)
RATES = (
    Load("16 streams of 50 tokens/s", 16, 150, 20.0, 0.0),
    Load("64 streams of 30 tokens/s", 64, 100, 33.0, 0.0),
)


def upstream(port: int) -> ServerProcess:
    """The server that is passed on to."""
    command = Command([sys.executable, "-m", "bench.pacing", str(port)], {}, ROOT)
    return ServerProcess(command, port, "/v1/models", WORK / "proxy" / "upstream.log")


def node(port: int, behind: int) -> ServerProcess:
    """Ours, before it."""
    folder = WORK / "proxy"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "freehold.yaml"
    config.write_text(f"models: [{{id: {MODEL}, source: 'http://127.0.0.1:{behind}/v1'}}]\n")
    argv = [str(Path(sys.executable).with_name("freehold")), "serve", str(config), "--port", str(port)]
    environment = {"FREEHOLD_HOME": str(folder / "home"), "FREEHOLD_AUTH": "none"}
    return ServerProcess(Command(argv, environment, folder), port, "/readyz", folder / "node.log")


def samples(name: str, through: bool, turn: int) -> list[Sample]:
    """One turn of the upstream, asked directly or through a node of ours: first frames one at a time, then rates."""
    with ExitStack() as running:
        port = free_port()
        asked = running.enter_context(upstream(port))
        if through:
            front = free_port()
            asked = running.enter_context(node(front, port))
        read(Job(asked.port, PATH, FIRST.asks()[:20]))
        firsts = [first_s(stream) for stream in read(Job(asked.port, PATH, FIRST.asks()))]
        p50, p99 = np.percentile(firsts, [50, 99])
        fields = {"workload": WORKLOAD, "server": name, "round": turn}
        found = [
            Sample(
                **fields,
                concurrency=1,
                items=len(firsts),
                seconds=sum(firsts),
                cpu_seconds=0.0,
                p50_s=float(p50),
                p99_s=float(p99),
            )
        ]
        for load in RATES:
            before, frames = asked.cpu_seconds(), load.streams * load.frames
            rate = steady_rate(read(Job(asked.port, PATH, load.asks())))
            spent = asked.cpu_seconds() - before
            found.append(
                Sample(**fields, concurrency=load.streams, items=frames, seconds=frames / rate, cpu_seconds=spent)
            )
        return found
