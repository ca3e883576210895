"""Which weights are kept in more bits."""

from pathlib import Path

import numpy as np
import pytest

from freehold.adapt.quantize.examples import random_examples
from freehold.adapt.quantize.forms import Blocks
from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.search import Cost, Found, costs, groups_of, search, together
from freehold.adapt.quantize.stored import Stored, StoredMatrix
from freehold.adapt.quantize.tasks import Task, task_of
from freehold.adapt.quantize.units import FloatGraph, Unit, Use
from freehold.errors import FreeholdError

FOUR, EIGHT = Blocks(4, 32), Blocks(8, 32)


@pytest.fixture
def laboratory(mlp: Path, tmp_path: Path) -> Laboratory:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return Laboratory.open(FloatGraph.open(mlp), Parent.open(mlp).manifest, folder, (FOUR, EIGHT))


@pytest.fixture
def task(laboratory: Laboratory, mlp: Path) -> Task:
    return task_of(Parent.open(mlp).artifact, random_examples(laboratory.manifest, 8, 0))


def said(text: str) -> None:
    """Progress that nobody watches."""


def ranked(laboratory: Laboratory, task: Task) -> list[Cost]:
    forms = {unit.name: FOUR for unit in laboratory.source.units}
    return costs(laboratory, groups_of(laboratory.source.units), forms, task, "cosine", said)


def searched(laboratory: Laboratory, task: Task, wanted: float) -> Found:
    forms = {unit.name: FOUR for unit in laboratory.source.units}
    groups = groups_of(laboratory.source.units)
    return search(laboratory, groups, forms, ranked(laboratory, task), (EIGHT, None), task, "cosine", wanted, said)


def test_costs(laboratory: Laboratory, task: Task) -> None:
    """Each weight alone costs something, and is measured against the float outputs."""
    seen = ranked(laboratory, task)
    assert [cost.name for cost in seen] == ["first", "second"]
    assert [cost.weights for cost in seen] == [64 * 128, 10 * 128]
    assert all(0 < cost.loss < 0.1 for cost in seen)


def test_search_keeps_the_worst(laboratory: Laboratory, task: Task) -> None:
    """The small weight, which loses most an element, is raised to eight bits; the large one stays in four."""
    found = searched(laboratory, task, wanted=0.996)
    assert found.forms == {"first": FOUR, "second": EIGHT}
    assert found.quality.of("cosine") >= 0.996
    assert [(step.kept, step.form) for step in found.steps] == [(1, "nbits8")]


def test_search_fails(laboratory: Laboratory, task: Task) -> None:
    """Where too much would have to be kept, the best that was seen is told."""
    with pytest.raises(FreeholdError) as raised:
        searched(laboratory, task, wanted=0.99999)
    assert raised.value.code == "quantize_quality_unreached"
    assert 0.99 < float(raised.value.details["best"]) < 0.99999


def unit(name: str, size: int = 4) -> Unit:
    stored = Stored(name, np.dtype(np.float32), (size, size))
    return Unit(name, (Use("product", 0, f"x of {name}", "y", StoredMatrix(stored)),))


def test_groups_share_states() -> None:
    """Query, key and value are one group, as they multiply the same states; a table stands alone."""
    stored = Stored("w", np.dtype(np.float32), (4, 4))
    query, key, output = (
        Unit(name, (Use("product", 0, states, "y", StoredMatrix(stored)),))
        for name, states in (("query", "x"), ("key", "x"), ("output", "z"))
    )
    table = Unit("table", (Use("lookup", 0, "x", "y", StoredMatrix(stored)),))
    assert [group.name for group in groups_of([table, query, key, output])] == ["table", "{query, key}", "output"]


def test_name_of_several() -> None:
    """What names share is written once."""
    assert together(["a.self.query.weight", "a.self.key.weight"]) == "a.self.{query, key}.weight"
    assert together(["a.b", "c.d"]) == "{a.b, c.d}"
    assert together(["a.b"]) == "a.b"


def test_groups() -> None:
    """Few weights stand alone; many are taken by layer, and many layers by neighbours."""
    units = [unit(f"encoder.layer.{layer}.{part}") for layer in range(6) for part in ("query", "key", "value")]
    assert [group.name for group in groups_of(units)] == [one.name for one in units]
    by_layer = groups_of(units, most=8)
    assert [group.name for group in by_layer] == [f"encoder.layer.{layer}" for layer in range(6)]
    assert [len(group.units) for group in groups_of(units, most=3)] == [6, 6, 6]
    assert by_layer[0].elements == by_layer[0].multiplied == 3 * 16
