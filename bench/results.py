"""What was measured: samples, their medians, and their file."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One server under one load, once. `items` are answered requests, `tokens` theirs; CPU time is the server's."""

    workload: str
    server: str
    concurrency: int
    round: int
    items: int
    tokens: int = 0
    seconds: float
    cpu_seconds: float
    p50_s: float = 0.0
    p99_s: float = 0.0
    refused: int = 0  # 429 and 503
    timed_out: int = 0
    failed: int = 0  # any other answer than 200, and broken connections
    pss_bytes: int = 0
    largest_pss_bytes: int = 0  # of the largest process
    cosine: float = 1.0  # the worst of a few answers against the fp32 reference
    gap: float = 0.0  # the largest difference of an output to what the raw framework answered

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds if self.seconds else 0.0

    @property
    def cpu_per_item(self) -> float:
        """Seconds of server CPU time an item; infinite when nothing was answered."""
        return self.cpu_seconds / self.items if self.items else float("inf")

    @property
    def cpu_per_token(self) -> float:
        """Seconds of server CPU time a token that the client sent (padding is the server's own affair)."""
        return self.cpu_seconds / self.tokens if self.tokens else float("inf")


class Failure(msgspec.Struct, frozen=True):
    """A server that did not start or did not answer, and why."""

    workload: str
    server: str
    reason: str


class Results(msgspec.Struct):
    """Everything of one run."""

    machine: dict[str, str] = {}
    versions: dict[str, str] = {}
    settings: dict[str, str] = {}
    samples: list[Sample] = []
    failures: list[Failure] = []

    def select(self, workload: str, server: str, concurrency: int) -> list[Sample]:
        """The repeats of one measurement."""
        wanted = (workload, server, concurrency)
        return [one for one in self.samples if (one.workload, one.server, one.concurrency) == wanted]

    def median(self, workload: str, server: str, concurrency: int, measure: Callable[[Sample], float]) -> float | None:
        """The median of `measure` over the repeats, or None when there are none."""
        values = [measure(sample) for sample in self.select(workload, server, concurrency)]
        return median(values) if values else None

    def servers(self, workload: str) -> list[str]:
        """Servers of `workload`, in the order they were first measured."""
        return list(dict.fromkeys(sample.server for sample in self.samples if sample.workload == workload))

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


def load(path: Path) -> Results:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
