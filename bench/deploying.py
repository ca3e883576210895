"""Deployments as files: `freehold render` of a hundred models, the whole command from its start to the last file."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.results import Sample
from bench.rows import Row, Workload
from bench.target import Target

RENDER = "render"
MODELS = 100
KUBERNETES = "freehold render kubernetes, 100 models"

_CONFIG = """\
models:
{models}
deploy: {{target: kubernetes, storage: {{claim: models}}}}
"""
_MODEL = "  - {{id: model-{number}, source: /models/{number}, scale: {{least: 1, most: 4}}}}"


def rendered(turn: int) -> list[Sample]:
    """Wall and CPU time of the command. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "freehold.yaml")
        file.write_text(_CONFIG.format(models="\n".join(_MODEL.format(number=number) for number in range(MODELS))))
        program = Path(sys.prefix) / "bin" / "freehold"
        command = [program, "render", "kubernetes", "--output", Path(scratch, "out"), file]
        environment = {**os.environ, "FREEHOLD_HOME": scratch}
        before, begun = _cpu_of_children(), time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        seconds, spent = time.perf_counter() - begun, _cpu_of_children() - before
    return [
        Sample(
            workload=RENDER,
            server=KUBERNETES,
            concurrency=1,
            round=turn,
            items=MODELS,
            seconds=seconds,
            cpu_seconds=spent,
        )
    ]


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def workloads(rounds: int) -> list[Workload]:
    """The one."""
    return [Workload(RENDER, "Deployments as files", rounds, [Row(KUBERNETES, rendered)])]


TARGETS = (
    Target(
        "100 models rendered for Kubernetes, the whole command, s",
        lambda results: results.median(RENDER, KUBERNETES, 1, lambda sample: sample.seconds),
        most=1.0,
        digits=2,
    ),
)
