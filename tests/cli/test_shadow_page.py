"""A shadow's report as a page."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.cli.shadow_page import binned, shadow_page
from freehold.errors import Language
from freehold.gateway.comparing.comparison import Comparison
from freehold.gateway.shadows.shadow_report import Report, Spread, Times


def report() -> Report:
    one = Report("chat", "<new>", "auto", 1e-3, 0.9, 0.0, 0.0)
    for place in range(5):
        times = Times(0.01 * (place + 1), 0.1)
        found = Comparison("vectors", "differs", "numbers", 20.0, 0.02 * place, 0.5)
        one.add(f"<b>{place}</b>", "old", found, times, times, 1.0)
    one.add("text", "old", Comparison("text", "within", "", 0.5, similarity=0.95), times, times, 1.0)
    one.drop("busy", 1.0)
    return one


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_is_whole_and_asks_nobody(language: Language) -> None:
    """Every picture is drawn in it, and what clients send as ids is text."""
    told = shadow_page(report(), language)
    assert "<script" not in told
    assert not re.search(r"(https?:)?//|@import|url\(|href|src=", told)
    assert "<b>" not in told
    assert "&lt;b&gt;4&lt;/b&gt;" in told
    assert "83.33%" in told
    pictures = re.findall(r"<svg.*?</svg>", told, flags=re.DOTALL)
    assert len([ElementTree.fromstring(picture) for picture in pictures]) == 5
    assert len(re.findall("<polyline", told)) == 4


def test_a_page_of_nothing_says_so() -> None:
    """There is a route with a shadow, and no request yet."""
    told = shadow_page(Report("chat", "new", "exact", 0, 1, 0.0, 0.0), "en")
    assert "Nothing has been compared yet" in told
    assert "<svg" not in told


@given(st.lists(st.floats(0, 1e9, allow_nan=False) | st.just(math.inf), max_size=40))
@settings(max_examples=50, deadline=None)
def test_every_value_has_its_bar(values: list[float]) -> None:
    """Between the edges that it lies between."""
    spread = Spread()
    for value in values:
        spread.add(value)
    counts, edges = binned(spread)
    assert len(counts) == len(edges) + 1
    assert (sum(counts), counts[0], counts[-1]) == (len(values), values.count(0.0), values.count(math.inf))
    below = sum(0 < value <= edges[-1] * (1 + 1e-9) for value in values)
    assert sum(counts[1:-1]) == below
