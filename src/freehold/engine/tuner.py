"""Measure for two seconds at load what is fastest on this machine, and remember it."""

import hashlib
import logging
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably

log = logging.getLogger(__name__)

TUNING_S = 2.0
CLOSE_ENOUGH = 0.97
"""A smaller setting that reaches this share of the best is taken: it answers sooner and holds less memory."""


class Tuning(msgspec.Struct, frozen=True):
    """Threads that call the session, the budget of one batch (tokens or rows), and the speed measured with them."""

    threads: int
    budget: int
    per_second: float


Trial = Callable[[int], int]
"""Runs one batch of about the given budget on the calling thread; returns its true cost in tokens or rows."""


def throughput(trial: Trial, threads: int, budget: int, seconds: float) -> float:
    """Cost units per second of `threads` threads that repeat `trial(budget)` for `seconds`, at least once each."""
    done = [0.0] * threads

    def repeat(place: int) -> None:
        begun = time.perf_counter()
        cost = 0
        while True:
            cost += trial(budget)
            spent = time.perf_counter() - begun
            if spent >= seconds:
                break
        done[place] = cost / spent

    workers = [threading.Thread(target=repeat, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done)


def choose(trial: Trial, thread_counts: Sequence[int], budgets: Sequence[int], total_s: float = TUNING_S) -> Tuning:
    """The fastest of `thread_counts` x `budgets` (each ascending), by the median of interleaved rounds in `total_s`.

    What the time does not suffice for is left out, the fewest threads first: a slow model is tried where it will run.
    """
    limit = time.perf_counter() + total_s
    candidates = [(threads, budget) for threads in reversed(thread_counts) for budget in budgets]
    slice_s = total_s / (3 * len(candidates))
    seen: dict[tuple[int, int], list[float]] = {}
    trial(budgets[0])  # the first run allocates; it is not the speed of the others
    for _ in range(3):
        for candidate in candidates:
            if seen and time.perf_counter() > limit:
                break
            seen.setdefault(candidate, []).append(throughput(trial, *candidate, slice_s))
    speeds = {candidate: statistics.median(values) for candidate, values in seen.items()}
    fastest = max(speeds.values())
    threads, budget = min(candidate for candidate, speed in speeds.items() if speed >= CLOSE_ENOUGH * fastest)
    return Tuning(threads, budget, speeds[threads, budget])


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
