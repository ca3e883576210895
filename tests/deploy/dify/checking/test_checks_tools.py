"""Defects of tool calls, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("no_tools", {"tools_accepted"}),
        ("late_id", {"tools_fragments"}),
        ("object_arguments", {"tools_arguments"}),
        ("broken_arguments", {"tools_arguments"}),
        ("odd_finish", {"tools_finish_reason"}),
        ("no_tool_role", {"tools_second_round"}),
        ("no_null", {"tools_null_content"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the checks that are about it."""
    assert missed("chat", defect) == ids
