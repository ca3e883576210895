"""Short decimals, cut vectors, scores."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.vectors import check_rows, logits, normalized, ranked, short_decimals, shortened, sigmoid

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, min_side=0, max_side=8), elements=FLOATS))
def test_short_decimals_read_back_as_the_same_float32(values: np.ndarray) -> None:
    """Zeros, the smallest and the largest numbers too: what a client parses is bit for bit what the model gave."""
    written = wire.encode(short_decimals(values).tolist())
    assert np.array_equal(np.array(json.loads(written), np.float32).reshape(values.shape), values)


def test_short_decimals_are_short() -> None:
    """A unit vector takes at most ten digits a number, not seventeen."""
    vector = normalized(np.random.default_rng(0).standard_normal((1, 384)).astype(np.float32))
    for number in json.loads(wire.encode(short_decimals(vector).tolist()), parse_float=str)[0]:
        digits = number.partition("e")[0].lstrip("-").replace(".", "").lstrip("0")
        assert len(digits) <= 10, number


def test_a_row_that_is_not_finite_is_named() -> None:
    """A NaN in the second row is found there: Dify would drop that vector in silence and shift the others."""
    rows = np.zeros((3, 2), np.float32)
    check_rows(rows)
    rows[1, 0] = np.nan
    with pytest.raises(FreeholdError, match="element 1"):
        check_rows(rows)


def test_normalised_rows_have_length_1_and_zeros_stay() -> None:
    """No division by zero for an empty row."""
    rows = normalized(np.array([[3, 4], [0, 0]], np.float32))
    assert np.allclose(rows, [[0.6, 0.8], [0, 0]])


def test_shortened_rows_are_the_first_dimensions_at_length_1() -> None:
    """Cut and renormalised; more dimensions than there are is an error with both numbers."""
    rows = np.array([[3, 4, 12]], np.float32)
    assert np.allclose(shortened(rows, 2), [[0.6, 0.8]])
    with pytest.raises(FreeholdError, match="dimensions is 4; the model's vectors have 3"):
        shortened(rows, 4)


def test_logits_are_the_one_column() -> None:
    """[n, 1] and [n] are the same scores."""
    assert logits(np.array([[1.0], [2.0]], np.float32)).tolist() == [1, 2]
    assert logits(np.array([1.0, 2.0], np.float32)).tolist() == [1, 2]


@given(st.lists(st.floats(-1e4, 1e4), min_size=1))
def test_sigmoid_stays_within_0_and_1_and_keeps_the_order(values: list[float]) -> None:
    """No overflow at either end (warnings are errors here)."""
    scores = sigmoid(np.array(values))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores[np.argsort(values)]) >= 0).all()


def test_ranks_fall_and_ties_keep_their_order() -> None:
    """Equal scores stay as the client sent them; NaN is no score."""
    assert ranked(np.array([0.5, 0.9, 0.5])) == [1, 0, 2]
    with pytest.raises(FreeholdError, match="answer_not_finite"):
        ranked(np.array([0.5, np.nan]))
