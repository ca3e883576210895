"""Free dimensions have names a person can read, sizes to try, and outputs that say whose size they have."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.children.free_dimensions import cases_of, drawn, filled, named, named_by_size, sizes_of
from freehold.adapt.children.report import ChildError

IMAGE = {"image": ("batch", "height", "width", 3)}


def test_names_say_what_a_dimension_is() -> None:
    """The first is the batch; two inputs with lengths of their own have two names."""
    assert named({"image": [None, None, None, 3]}) == IMAGE
    both = named({"question": [None, None], "answer": [None, None, 8], "scale": []})
    assert both == {"question": ("batch", "question.length"), "answer": ("batch", "answer.length", 8), "scale": ()}
    assert named({"video": [1, None, None, None, 3]}) == {"video": (1, "dimension_1", "dimension_2", "dimension_3", 3)}


def test_samples_set_the_sizes_that_are_tried() -> None:
    """What the user gives is tried, -1 and nothing are ours to choose."""
    assert sizes_of(IMAGE, []) == {"batch": 1, "height": 16, "width": 16}
    assert sizes_of(IMAGE, [[2, 48, -1, 3]]) == {"batch": 2, "height": 48, "width": 16}


@pytest.mark.parametrize(
    ("samples", "code", "details"),
    [
        ([[1, 16, 16]], "input_shape_misfit", {"found": "[1, 16, 16]", "expected": "[batch, height, width, 3]"}),
        ([[1, 16, 16, 4]], "input_shape_misfit", {"name": "image", "found": "[1, 16, 16, 4]"}),
        ([[1, 16, 16, 3], [1]], "input_shapes_count", {"found": 2, "expected": 1}),
    ],
)
def test_samples_that_cannot_be_of_this_model(samples: list[list[int]], code: str, details: dict[str, Any]) -> None:
    """Another rank, another fixed size, another number of inputs: refused with both shapes."""
    with pytest.raises(ChildError) as caught:
        sizes_of(IMAGE, samples)
    assert caught.value.code == code
    assert details.items() <= caught.value.details.items()


def test_shape_classes() -> None:
    """Batch 1 and 3, what the user gave, and another length where there is one; a fixed model has one class."""
    assert cases_of({}) == {"fixed": {}}
    assert cases_of({"batch": 1}) == {"batch 1": {"batch": 1}, "batch 3": {"batch": 3}}
    with_length = cases_of({"batch": 8, "length": 5})
    assert list(with_length) == ["batch 1", "batch 3", "batch 8", "long"]
    assert with_length["long"] == {"batch": 8, "length": 10}
    assert cases_of({"length": 5}) == {"sample": {"length": 5}, "long": {"length": 10}}


@given(st.lists(st.none() | st.integers(1, 4), max_size=5))
@settings(max_examples=30)
def test_every_shape_can_be_filled(shape: list[int | None]) -> None:
    """Whatever is free has a size, and whatever is fixed keeps its own."""
    names = named({"x": shape})
    for sizes in cases_of(sizes_of(names, [])).values():
        full = filled(names["x"], sizes)
        assert all(size >= 1 for size in full)
        assert [size for size, given in zip(full, shape, strict=True) if given] == [size for size in shape if size]


def test_outputs_are_named_by_the_sizes_that_were_seen() -> None:
    """As large as an input's dimension in every case has its name; what follows none has one of its own."""
    cases = [{"batch": 1, "length": 16}, {"batch": 3, "length": 16}, {"batch": 1, "length": 32}]
    seen = [(1, 16, 8), (3, 16, 8), (1, 32, 8)]
    assert named_by_size("y", seen, cases, [True, True, False]) == ("batch", "length", 8)
    halves = [(1, 8), (3, 8), (1, 16)]
    assert named_by_size("y", halves, cases, [True, True]) == ("batch", "y.1")


def test_values_are_seeded_and_in_their_range() -> None:
    """Equal seeds draw equal values; integers stay below what was asked and within their type."""
    one, two = (drawn((4, 5), np.dtype("float32"), 10, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.dtype == np.float32
    assert drawn((100,), np.dtype("uint8"), 1000, np.random.default_rng(0)).max() < 255
    assert set(drawn((50,), np.dtype("int64"), 3, np.random.default_rng(0)).tolist()) == {0, 1, 2}
    assert drawn((), np.dtype("bool"), 3, np.random.default_rng(0)).dtype == np.bool_
