"""Rows of text in columns."""

import pytest

from freehold.cli.columns import columns


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Numbers are flush right, and no line ends in spaces."""
    rows = [("NAME", "COUNT", "WHY"), ("a", "5", ""), ("longer", "12345678", "x")]
    assert columns(rows, {1}) == ["NAME       COUNT  WHY", "a              5", "longer  12345678  x"]
    assert columns(rows[:2]) == ["NAME  COUNT  WHY", "a     5"]
    assert columns([]) == []


def test_rows_of_unlike_lengths_are_a_mistake() -> None:
    """A cell that would be left out is told."""
    with pytest.raises(ValueError, match="zip"):
        columns([("a", "b"), ("c",)])
