"""Defects of a chat model, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


def test_a_good_server_misses_nothing(missed: Missed) -> None:
    """No check fails or warns."""
    assert missed("chat") == set()


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("other_object", {"chat_object"}),
        ("other_text_object", {"completion_validates"}),
        ("no_usage", {"chat_usage"}),
        ("default_16", {"chat_default_length"}),
        ("ignores_max_tokens", {"chat_max_tokens"}),
        ("ignores_max_completion_tokens", {"chat_max_completion_tokens"}),
        ("never_length", {"chat_max_tokens", "chat_max_completion_tokens"}),
        ("ignores_stop", {"chat_stop", "stream_stop"}),
        ("returns_stop", {"chat_stop", "stream_stop"}),
        ("strict_user", {"chat_unknown_fields"}),
        ("strict_thinking", {"chat_thinking_switch"}),
        ("never_silent", {"chat_thinking_switch"}),
        ("open_tag", {"chat_reasoning"}),
        ("no_parts", {"chat_parts"}),
        ("any_chat_model", {"chat_unknown_model"}),
        ("says_thinking", {"chat_error_words"}),
        ("silent_cut", {"chat_long_prompt"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the checks that are about it."""
    assert missed("chat", defect) == ids
