"""Variants of a graph."""

from pathlib import Path

import pytest

from freehold.adapt.quantize.examples import random_examples
from freehold.adapt.quantize.forms import Blocks, Dynamic
from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.tasks import task_of
from freehold.adapt.quantize.units import FloatGraph


@pytest.fixture
def laboratory(mlp: Path, tmp_path: Path) -> Laboratory:
    folder = tmp_path / "scratch"
    folder.mkdir()
    forms = (Dynamic(), Blocks(4, 32))
    return Laboratory.open(FloatGraph.open(mlp), Parent.open(mlp).manifest, folder, forms)


def test_judge(laboratory: Laboratory, mlp: Path) -> None:
    """No form costs nothing; four bits cost more than eight; what was judged leaves no file."""
    task = task_of(Parent.open(mlp).artifact, random_examples(laboratory.manifest, 4, 0))
    names = [unit.name for unit in laboratory.source.units]
    plain, eight, four = (
        laboratory.judge(dict.fromkeys(names, form) if form else {}, task).of("cosine")
        for form in (None, Dynamic(), Blocks(4, 32))
    )
    assert plain == 1 > eight > four > 0.9
    assert {path.name for path in laboratory.folder.iterdir()} == {"float.onnx", "model.onnx.data"}


def test_reference_is_computed_once(laboratory: Laboratory, mlp: Path) -> None:
    """The float graph's answers are kept."""
    task = task_of(Parent.open(mlp).artifact, random_examples(laboratory.manifest, 1, 0))
    assert laboratory.reference(task) is laboratory.reference(task)
