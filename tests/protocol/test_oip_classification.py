"""The best values of an output, as Triton writes them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freehold.protocol.oip_classification import classified

ORDERED = ("<f2", "<f4", "<f8", "i1", "<i8", "u1", "<u8")


def texts(array: np.ndarray[Any, Any]) -> list[Any]:
    return np.vectorize(bytes.decode, otypes=[object])(array).tolist()


def test_the_best_values_come_first_with_place_and_label() -> None:
    """Row by row; what has no label is told without one."""
    values = np.array([[0.25, 3, -1], [7, 0, 0]], np.float32)
    assert texts(classified(values, 2, ("cat", "dog"))) == [
        ["3.000000:1:dog", "0.250000:0:cat"],
        ["7.000000:0:cat", "0.000000:1:dog"],
    ]
    assert texts(classified(values[0], 3, ())) == ["3.000000:1", "0.250000:0", "-1.000000:2"]


def test_rows_of_several_dimensions_are_one_list_each() -> None:
    """All but the first dimension are counted through."""
    assert texts(classified(np.arange(8).reshape(2, 2, 2), 1, ())) == [["3.000000:3"], ["7.000000:3"]]


def test_more_classes_than_values_are_all_of_them() -> None:
    """Nothing is made up, and of nothing comes nothing."""
    assert classified(np.zeros((2, 3), np.float32), 9, ()).shape == (2, 3)
    assert classified(np.zeros((0, 3), np.float32), 9, ()).shape == (0, 3)
    assert classified(np.float32(5).reshape(()), 9, ()).tolist() == [b"5.000000:0"]


def test_nan_is_never_the_best() -> None:
    """Whatever a broken model computes, numbers come first."""
    assert texts(classified(np.array([np.nan, -np.inf, 1]), 3, ())) == ["1.000000:2", "-inf:1", "nan:0"]


@pytest.mark.parametrize("dtype", ["i1", "<i8", "u1", "<u8"])
def test_whole_numbers_keep_their_order_to_the_last(dtype: str) -> None:
    """The smallest has no opposite, and the largest are beyond what floats tell apart."""
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max - 1, limits.max], dtype)
    assert [text.split(":")[1] for text in texts(classified(values, 3, ()))] == ["2", "1", "0"]


@given(st.sampled_from(ORDERED).flatmap(lambda dtype: hnp.arrays(dtype, st.integers(1, 6))), st.integers(1, 8))
def test_values_fall_and_places_are_all_different(values: np.ndarray[Any, Any], classes: int) -> None:
    """For any numbers: the places name the values in falling order."""
    places = [int(text.split(":")[1]) for text in texts(classified(values, classes, ()))]
    found = [values[place] for place in places if not np.isnan(values[place])]
    assert len(set(places)) == len(places) == min(classes, len(values))
    assert all(one >= other for one, other in pairwise(found))
