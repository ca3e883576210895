"""Timing two graphs in turns."""

from pathlib import Path

from freehold.adapt.quantize.examples import random_examples
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.speed import measure_speed
from freehold.adapt.quantize.tasks import task_of


def test_speed(mlp: Path) -> None:
    """Ratios and medians are there, and of as many rounds as were asked for."""
    parent = Parent.open(mlp)
    task = task_of(parent.artifact, random_examples(parent.manifest, 4, 0))
    seen = measure_speed(task, mlp, mlp, seed=0, rounds=3)
    assert seen.rounds == 3
    assert min(seen.ratio, seen.control, *seen.seconds) > 0
