"""Versions as programs print them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.doctor.versions import version_of


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("v1.29.2-gke.1", (1, 29, 2)),
        ("3.10.0-1160.el7.x86_64", (3, 10, 0)),
        ("glibc 2.17", (2, 17)),
        ("latest", None),
        ("", None),
        (None, None),
        ("9" * 5000 + ".1", (999999999, 1)),
    ],
)
def test_the_first_dotted_numbers_are_the_version(text: str | None, version: tuple[int, ...] | None) -> None:
    """What stands before and behind does not matter."""
    assert version_of(text) == version


@settings(max_examples=30)
@given(st.lists(st.integers(0, 999_999_999), min_size=2, max_size=5))
def test_a_version_comes_back_as_it_was_written(parts: list[int]) -> None:
    """Any of them."""
    assert version_of("v" + ".".join(map(str, parts)) + "-rc") == tuple(parts)
