"""When two outputs are the same, and where they part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import Tolerance, compare, tolerance_for
from freehold.artifact.compare import apart, cosine

CLOSE = Tolerance(max_abs=1e-4)


def test_equal_outputs_have_no_difference() -> None:
    """NaN equals NaN in the same place, infinities of one sign are equal."""
    array = np.array([1.0, np.nan, np.inf, -np.inf], np.float32)
    assert compare("y", array, array.copy(), CLOSE) is None


def test_the_first_differing_element_is_named_with_both_values() -> None:
    """Output, index, expected, seen, the measure and what is allowed."""
    expected = np.zeros((2, 3), np.float32)
    seen = expected.copy()
    seen[1, 0], seen[1, 2] = 0.01, 0.5
    difference = compare("y", expected, seen, CLOSE)
    assert difference is not None
    assert (difference.output, difference.index, difference.expected, difference.seen) == ("y", (1, 0), "0.0", "0.01")
    assert "0.5" in difference.measure
    assert difference.allowed == "0.0001"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_stopped_being_finite_differs(value: float) -> None:
    """Whatever the tolerance is."""
    seen = np.array([1.0, value], np.float32)
    for tolerance in (CLOSE, Tolerance(cosine_min=0.5)):
        assert compare("y", np.ones(2, np.float32), seen, tolerance) is not None


def test_another_shape_differs() -> None:
    """Both shapes are told."""
    difference = compare("y", np.zeros((2, 3)), np.zeros((3, 2)), CLOSE)
    assert difference is not None
    assert (difference.expected, difference.seen) == ("[2, 3]", "[3, 2]")


def test_integers_must_be_equal() -> None:
    """No tolerance applies to them."""
    difference = compare("y", np.array([1, 2]), np.array([1, 3]), Tolerance(max_abs=10))
    assert difference is not None
    assert difference.index == (1,)


def test_reduced_precisions_are_held_to_their_angle() -> None:
    """bf16: cosine 0.999, however far single elements are."""
    expected = np.ones(1000, np.float32)
    seen = expected.copy()
    seen[0] = 1.5
    assert compare("y", expected, seen, tolerance_for("bf16")) is None
    seen[:200] = -1.0
    difference = compare("y", expected, seen, tolerance_for("bf16"))
    assert difference is not None
    assert difference.measure.startswith("cosine")


def test_an_unknown_precision_is_held_to_the_strictest_reduced_one() -> None:
    """int8 without a quality report is treated like fp16."""
    assert tolerance_for("int8") == tolerance_for("fp16")


def test_how_far_apart_two_outputs_are() -> None:
    """The angle and the largest gap; where only one of two is a number, no gap is larger."""
    angle, gap = apart(np.array([3.0, 4.0], np.float32), np.array([4.0, 3.0], np.float32))
    assert angle == pytest.approx(0.96)
    assert gap == 1.0
    assert apart(np.ones(2, np.float32), np.array([1.0, np.nan], np.float32))[1] == np.inf


def test_empty_outputs_are_equal() -> None:
    """Zero elements leave nothing to differ."""
    assert compare("y", np.zeros((0, 3)), np.zeros((0, 3)), CLOSE) is None


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20), st.floats(0.125, 8, width=32))
def test_the_cosine_of_a_vector_with_its_multiple_is_one(values: list[float], factor: float) -> None:
    """Length does not matter, and a zero vector agrees with itself alone."""
    vector = np.array(values, np.float64)
    assert cosine(vector, vector * factor) == pytest.approx(1.0, abs=1e-6)
    if vector.any():
        assert cosine(vector, np.zeros_like(vector)) == 0.0
