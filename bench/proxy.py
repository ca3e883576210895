"""What passing through us costs: an upstream asked directly and through a node before it, in turns.

Run as `python -m bench.proxy [--rounds N]`. The upstream only waits (bench/pacing.py), so that what is seen is ours:
what is added to the first frame (p50, p99) and which share of the upstream's own frames a second is kept.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.places import ROOT, WORK
from bench.processes import Command, ServerProcess, free_port
from bench.streams import Ask, Job, Stream, first_s, read, steady_rate

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


FIRSTS = (
    Load("first frame, one at a time", 200, 3, 1.0, 20.0),
    Load("first frame, beside 16 streams", 200, 100, 16.0, 100.0),
)
RATES = (
    Load("16 streams of 50 tokens/s", 16, 150, 20.0, 0.0),
    Load("64 streams of 30 tokens/s", 64, 100, 33.0, 0.0),
    Load("16 streams as fast as they go", 16, 2000, 0.0, 0.0),
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


def percentiles(streams: Sequence[Stream]) -> tuple[float, float]:
    """Median and 99th percentile of the time to the first frame, in milliseconds."""
    firsts = [first_s(stream) * 1e3 for stream in streams]
    return float(np.percentile(firsts, 50)), float(np.percentile(firsts, 99))


def measure(rounds: int, direct: int, through: int, ours: ServerProcess) -> None:
    """All loads, both ways in turns."""
    for load in FIRSTS:
        seen: dict[int, list[Stream]] = {direct: [], through: []}
        for turn in range(rounds):
            for port in (direct, through) if turn % 2 == 0 else (through, direct):
                seen[port] += read(Job(port, PATH, load.asks()))
        (p50, p99), (our_p50, our_p99) = percentiles(seen[direct]), percentiles(seen[through])
        added = f"added p50 {our_p50 - p50:5.2f} p99 {our_p99 - p99:5.2f} ms"
        print(f"{load.name:<32} direct p50 {p50:6.2f} p99 {p99:6.2f} ms   {added}", flush=True)
    for load in RATES:
        rates: dict[int, list[float]] = {direct: [], through: []}
        spent = []
        for turn in range(rounds):
            for port in (direct, through) if turn % 2 == 0 else (through, direct):
                before = ours.cpu_seconds()
                rates[port].append(steady_rate(read(Job(port, PATH, load.asks()))))
                if port == through:
                    spent.append((ours.cpu_seconds() - before) / (load.streams * load.frames))
        own_rate = statistics.median(rates[direct])
        kept = statistics.median(rates[through]) / own_rate
        cost = f"cpu {statistics.median(spent) * 1e6:.0f} us a frame"
        print(f"{load.name:<32} direct {own_rate:8.0f} frames/s   kept {kept:.3f}   {cost}", flush=True)


def main() -> None:
    """Start both, measure, stop both."""
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    direct, through = free_port(), free_port()
    with upstream(direct), node(through, direct) as ours:
        measure(rounds, direct, through, ours)


if __name__ == "__main__":
    main()
