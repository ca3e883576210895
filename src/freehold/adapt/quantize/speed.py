"""How fast a quantized graph is beside its parent: interleaved rounds, medians, and a control of the noise."""

import random
import statistics
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from freehold.adapt.quantize.tasks import Task

ROUNDS = 15


class Speed(msgspec.Struct, frozen=True):
    """`ratio`: processor time of the parent over that of the quantized graph, the median of `rounds`; above 1 is
    faster. `control`: the same of the parent beside itself, 1 but for noise. `seconds`: medians, parent and
    quantized. One thread."""

    ratio: float
    control: float
    seconds: tuple[float, float]
    rounds: int


def measure_speed(task: Task, before: Path, after: Path, seed: int, rounds: int = ROUNDS) -> Speed:
    """Time the two graphs in turns whose order is drawn anew each round. Raises FreeholdError as `Task.stopwatch`."""
    order = random.Random(seed)
    with ExitStack() as stack:
        names = ("before", "again", "after")
        paths = (before, before, after)
        watches = {
            name: stack.enter_context(closing(task.stopwatch(path))) for name, path in zip(names, paths, strict=True)
        }
        for watch in watches.values():
            watch.seconds()  # the first run of a shape allocates
        seen: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in order.sample(names, len(names)):
                seen[name].append(max(watches[name].seconds(), 1e-9))
    ratios = [first / last for first, last in zip(seen["before"], seen["after"], strict=True)]
    control = [first / last for first, last in zip(seen["before"], seen["again"], strict=True)]
    medians = statistics.median(seen["before"]), statistics.median(seen["after"])
    return Speed(round(statistics.median(ratios), 3), round(statistics.median(control), 3), medians, rounds)
