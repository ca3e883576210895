"""What a mistyped word meant."""

import pytest

from freehold.config.nearest import nearest

KNOWN = ["id", "source", "context_length", "gpus", "deadline_s", "key"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sorce", "source"),
        ("Context-Length", "context_length"),
        ("GPUS", "gpus"),
        ("max_model_len", "context_length"),
        ("name", "id"),
        ("api_key", "key"),
        ("dtype", None),
        ("zzzzzz", None),
        ("", None),
    ],
)
def test_the_nearest_word_is_found_or_none(word: str, meant: str | None) -> None:
    """By spelling, or by what the same thing is called elsewhere; never one that is not known here."""
    assert nearest(word, KNOWN) == meant
