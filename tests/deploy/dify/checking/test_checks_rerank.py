"""Defects of a rerank model, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


def test_a_good_server_misses_nothing(missed: Missed) -> None:
    """No check fails or warns."""
    assert missed("rerank") == set()


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("score_key", {"rerank_score_key"}),
        ("logits", {"rerank_range"}),
        ("one_index", {"rerank_index"}),
        ("place_in_answer", {"rerank_places"}),
        ("worst_first", {"rerank_order"}),
        ("all_results", {"rerank_top_n"}),
        ("no_documents", {"rerank_documents"}),
        ("blank_refused", {"rerank_blank"}),
        ("long_refused", {"rerank_long"}),
        ("any_rerank_model", {"rerank_unknown_model"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the check that is about it."""
    assert missed("rerank", defect) == ids
