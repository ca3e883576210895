"""The forms of single values."""

import re

import pytest

from freehold.config.forms import DURATION, ID, REFERENCE, doc


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        (ID, ["a", "bge-m3", "a.b_c-1", "a" * 128], ["", "-a", "a.", "a/b", "a" * 129, "ü"]),
        (REFERENCE, ["${env:A_1}", "${file:/x y}"], ["secret", "${env:1}", "${env:A} ", "${file:}"]),
        (DURATION, ["forever", "90s", "7d"], ["90", "s", "1w", "-1s"]),
    ],
)
def test_each_form_takes_what_it_says(pattern: str, fitting: list[str], other: list[str]) -> None:
    """And nothing else."""
    assert [text for text in fitting if not re.fullmatch(pattern, text)] == []
    assert [text for text in other if re.fullmatch(pattern, text)] == []


def test_documentation_carries_its_unit() -> None:
    """Where there is one."""
    assert doc("A time.", "seconds").extra == {"unit": "seconds"}
    assert doc("A name.").extra is None
