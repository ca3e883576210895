"""Defects of streams, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("crlf", {"stream_frames"}),
        ("one_newline", {"stream_frames"}),
        ("event_lines", {"stream_lines"}),
        ("comment_in_frame", {"stream_lines"}),
        ("no_choices", {"stream_choices"}),
        ("no_stream_usage", {"stream_usage"}),
        ("no_finish", {"stream_finish_reason", "tools_finish_reason"}),
        ("lingers", {"stream_ends"}),
        ("held_back", {"stream_flows"}),
        ("broken_characters", {"stream_characters"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the checks that are about it."""
    assert missed("chat", defect) == ids


def test_comments_in_frames_of_their_own_are_fine(missed: Missed) -> None:
    """As servers send them while a prompt is read."""
    assert missed("chat", "comments") == set()
