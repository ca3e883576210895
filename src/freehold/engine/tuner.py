"""Measure for two seconds at load what is fastest on this machine, and remember it."""

import hashlib
import logging
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from freehold.artifact.artifact import write_durably

log = logging.getLogger(__name__)

TUNING_S = 2.0
CLOSE_ENOUGH = 0.97
"""A smaller setting that reaches this share of the best is taken: it answers sooner and holds less memory."""


class Tuning(msgspec.Struct, frozen=True):
    """Threads that call the session, the budget of one batch (tokens or rows), and what was measured with them."""

    threads: int
    budget: int
    per_second: float  # cost units, by the wall clock
    cpu_s: float = 0.0  # processor seconds a cost unit, all threads together


class Speed(NamedTuple):
    """What one measurement saw: cost units per second of the wall clock, processor seconds a unit."""

    per_second: float
    cpu_s: float


Trial = Callable[[int], int]
"""Runs one batch of about the given budget on the calling thread; returns its true cost in tokens or rows."""


def throughput(trial: Trial, threads: int, budget: int, seconds: float) -> Speed:
    """The speed of `threads` threads that repeat `trial(budget)` for `seconds`, at least once each."""
    done = [(0, 0.0)] * threads

    def repeat(place: int) -> None:
        begun = time.perf_counter()
        cost = 0
        while True:
            cost += trial(budget)
            spent = time.perf_counter() - begun
            if spent >= seconds:
                break
        done[place] = cost, spent

    begun = time.process_time()
    workers = [threading.Thread(target=repeat, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cpu_s = time.process_time() - begun
    return Speed(sum(cost / spent for cost, spent in done), cpu_s / sum(cost for cost, _ in done))


def choose(trial: Trial, threads: int, budgets: Sequence[int], total_s: float = TUNING_S) -> Tuning:
    """The budget (of ascending `budgets`) that costs the least processor time a unit, in `total_s` of measuring.

    Processor time, since a start often shares its cores with other work, which the wall clock would count as ours.
    Medians of interleaved rounds; what the time does not suffice for is left out.
    """
    limit = time.perf_counter() + total_s
    slice_s = total_s / (3 * len(budgets))
    seen: dict[int, list[Speed]] = {}
    trial(budgets[0])  # the first run allocates; it is not the speed of the others
    for _ in range(3):
        for budget in budgets:
            if seen and time.perf_counter() > limit:
                break
            seen.setdefault(budget, []).append(throughput(trial, threads, budget, slice_s))
    cpu_s = {budget: statistics.median(speed.cpu_s for speed in speeds) for budget, speeds in seen.items()}
    least = min(cpu_s.values())
    budget = min(budget for budget, each in cpu_s.items() if each * CLOSE_ENOUGH <= least)
    return Tuning(threads, budget, statistics.median(speed.per_second for speed in seen[budget]), cpu_s[budget])


def remembered(folder: Path | None, key: Sequence[str], measure: Callable[[], Tuning]) -> Tuning:
    """The tuning kept under `key` in `folder`, else what `measure` finds, kept for the next start.

    `key` names all that the result depends on: processor, cores, runtime and its version, digest, precision.
    """
    if folder is None:
        return measure()
    path = folder / f"{hashlib.sha256('|'.join(key).encode()).hexdigest()[:32]}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tuning)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("the tuning in %s cannot be read and is measured again: %s", path, error)
    tuning = measure()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, msgspec.json.encode(tuning))
    except OSError as error:
        log.warning("the tuning cannot be kept in %s and is measured at each start: %s", folder, error)
    return tuning
