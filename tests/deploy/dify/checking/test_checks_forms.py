"""Defects of structured output, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("no_json_object", {"json_object"}),
        ("no_schema", {"json_schema"}),
        ("only_wrapped", {"json_schema_bare"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the check that is about it."""
    assert missed("chat", defect) == ids
