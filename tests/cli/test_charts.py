"""Plots as SVG."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.cli.charts import HEIGHT, WIDTH, Curve, Mark, Scale, histogram, line_plot, marks_plot, shares_plot

VALUES = st.lists(st.floats(0, allow_nan=False), max_size=30)


def read(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def numbers(picture: str) -> list[float]:
    """Every coordinate and size that is drawn."""
    named = re.findall(r' (?:x|y|x1|x2|y1|y2|cx|cy|r|width|height)="([^"]+)"', picture)
    return [float(number) for number in named]


@settings(max_examples=40)
@given(values=VALUES, limit=st.none() | st.floats(0, 1e6))
def test_any_values_are_drawn_inside_the_picture(values: list[float], limit: float | None) -> None:
    """None, equal ones, zeros and infinities too: well-formed, and no mark leaves its frame."""
    marks = [Mark(value, "case <1> & more", good=value < 1) for value in values]
    for picture in (marks_plot(marks, "case", limit, "tolerance"), line_plot(marks, "node", limit, "tolerance")):
        assert read(picture).tag == "svg"
        assert all(0 <= number <= max(WIDTH, HEIGHT) for number in numbers(picture))


@settings(max_examples=40)
@given(counts=st.lists(st.integers(0, 10**9), min_size=4, max_size=4))
def test_any_histogram_is_drawn(counts: list[int]) -> None:
    """Bars of all that was counted between the first and the last bin that is not empty."""
    picture = histogram(counts, (0.1, 1.0, 10.0), "difference")
    filled = [place for place, count in enumerate(counts) if count] or [0]
    assert len(read(picture).findall("rect")) == filled[-1] - filled[0] + 1
    assert all(0 <= number <= WIDTH for number in numbers(picture))


def test_curves_of_shares_rise_inside_the_picture() -> None:
    """Over one axis, each with its name; what has no values has an empty line."""
    curves = [Curve("<old>", [(0.01, 0.0), (0.01, 0.5), (1.0, 1.0)]), Curve("new", [(0.1, 1.0)]), Curve("none", [])]
    root = read(shares_plot(curves, "seconds"))
    lines = [line.get("points", "").split() for line in root.findall("polyline")]
    assert [len(line) for line in lines] == [3, 1, 0]
    corners = [tuple(map(float, corner.split(","))) for corner in lines[0]]
    assert corners[0][1] > corners[1][1] > corners[2][1]
    assert corners[0][0] == corners[1][0] < corners[2][0] <= WIDTH
    assert [title.text for title in root.iter("title")] == ["<old>", "new", "none"]


def test_what_is_out_of_tolerance_is_marked_and_told() -> None:
    """By its colour, by the line of the tolerance, and by a title where it is pointed at."""
    root = read(marks_plot([Mark(1e-6, "case 0: 1e-6"), Mark(0.5, "case 1: 0.5", good=False)], "case", 1e-4, "limit"))
    groups = {group.get("class"): group for group in root.findall("g")}
    assert set(groups) == {"good", "bad"}
    assert [title.text for title in root.iter("title")] == ["case 0: 1e-6", "case 1: 0.5"]
    assert [line.text for line in root.findall("text") if line.get("class") == "limit"] == ["limit"]


@pytest.mark.parametrize(
    ("values", "low", "high"), [([1e-6, 1e-3], -6, -3), ([0.0], -12, -11), ([], 0, 1), ([5.0], 0, 1)]
)
def test_an_axis_has_whole_decades(values: list[float], low: int, high: int) -> None:
    """Around its values; zero is the least that is drawn."""
    scale = Scale.of(values)
    assert (scale.low, scale.high) == (low, high)
    assert 1 <= len(scale.ticks()) <= 7
