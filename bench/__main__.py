"""`python -m bench`: measure, print, write the page."""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import environments, machine, report
from bench.measure import WrongAnswerError
from bench.places import PAGE, WORK
from bench.processes import ServerFailedError
from bench.results import Failure, Results, Sample, load
from bench.rows import FULL, QUICK, Row, Workload
from bench.servers import OURS, SERVERS
from bench.workloads import narrowed, workloads

REFUSALS = (ServerFailedError, WrongAnswerError, subprocess.CalledProcessError, OSError, ValueError)
"""What one server may do wrong without ending the run; its row says so."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does everything run?")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="how often each server takes its turn")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORKLOAD", help="these workloads; --list names them")
    parser.add_argument("--peers", nargs="+", default=[], metavar="SERVER", help="servers whose name begins so")
    parser.add_argument("--json", type=Path, default=WORK / "results.json", help="where the samples go")
    parser.add_argument("--add", action="store_true", help="keep the samples that lie in --json already")
    parser.add_argument("--render", action="store_true", help="measure nothing: write the page from --json")
    parser.add_argument("--page", action="store_true", help="write the page after a partial run too")
    parser.add_argument("--list", action="store_true", help="name workloads and servers")
    return parser.parse_args()


def show(sample: Sample) -> None:
    """One line a measurement, as it comes in."""
    lost = sample.refused + sample.timed_out + sample.failed
    print(
        f"  {sample.server:<26} c={sample.concurrency:<3} {sample.rate:>9.1f}/s  "
        f"cpu {sample.cpu_per_item * 1e6:>10.0f} us  p99 {sample.p99_s * 1e3:>8.1f} ms  "
        f"pss {sample.pss_bytes >> 20:>5} MiB" + (f"  lost {lost}" if lost else ""),
        flush=True,
    )


def measure_row(row: Row, workload: Workload, turn: int, results: Results) -> None:
    """One turn; a server that failed in this workload is not asked again."""
    earlier = [one for one in results.failures if (one.workload, one.server) == (workload.name, row.server)]
    if earlier:
        return
    try:
        samples = row.measure(turn)
    except REFUSALS as error:
        print(f"  {row.server}: {error}", file=sys.stderr, flush=True)
        results.failures.append(Failure(workload.name, row.server, str(error)))
        return
    for sample in samples:
        show(sample)
    results.samples += samples


def run(chosen: Sequence[Workload], results: Results, file: Path) -> None:
    """Rounds of every workload; the file is written after each, so that a broken run loses little."""
    for workload in chosen:
        for turn in range(workload.rounds):
            print(f"{workload.title}, round {turn + 1} of {workload.rounds}", flush=True)
            for row in workload.rows:
                measure_row(row, workload, turn, results)
            results.save(file)


def main() -> int:
    """Returns the exit status: 0, also where targets are missed; 1 when a server of ours failed."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that no server is left behind
    scale = QUICK if options.quick else replace(FULL, rounds=options.rounds)
    every = workloads(scale)
    titles = {workload.name: workload.title for workload in every}
    if options.list:
        print("workloads:", *titles, "servers:", *(server.name for server in SERVERS), sep="\n  ")
        return 0
    results = load(options.json) if options.add or options.render else Results()
    if not options.render:
        chosen = narrowed(every, options.only, options.peers)
        results.machine, results.versions = machine.describe(), machine.versions()
        if not options.only:  # else each is made when its turn comes
            for name in sorted({server.environment for server in SERVERS} - {OURS}):
                environments.ensure(name)
        began = time.monotonic()
        run(chosen, results, options.json)
        results.settings = {"run": f"{'quick' if options.quick else 'full'}, {time.monotonic() - began:.0f} s"}
        results.save(options.json)
    text = report.render(results, titles)
    print("\n" + text)
    whole = not (options.quick or options.only or options.peers) and options.rounds == FULL.rounds
    if whole or options.page or options.render:
        report.write(PAGE, text)
        print(f"written: {PAGE}")
    return int(any(one.server.startswith("Freehold") for one in results.failures))


if __name__ == "__main__":
    sys.exit(main())
