"""Defects of an embedding model, each found by its own check."""

from collections.abc import Callable

import pytest

Missed = Callable[..., set[str]]


def test_a_good_server_misses_nothing(missed: Missed) -> None:
    """No check fails or warns."""
    assert missed("embedding") == set()


@pytest.mark.parametrize(
    ("defect", "ids"),
    [
        ("base64", {"embedding_floats"}),
        ("unpooled", {"embedding_floats", "embedding_float_named"}),
        ("reordered", {"embedding_order"}),
        ("one_vector", {"embedding_batch"}),
        ("constant", {"embedding_distinct"}),
        ("drifts", {"embedding_repeatable"}),
        ("other_dimension", {"embedding_dimension"}),
        ("nan", {"embedding_finite"}),
        ("zeros", {"embedding_finite"}),
        ("blank_refused", {"embedding_blank"}),
        ("long_refused", {"embedding_long"}),
        ("characters_counted", {"embedding_usage"}),
        ("no_embedding_usage", {"embedding_usage"}),
        ("no_embedding_model", {"embedding_model_named"}),
        ("any_embedding_model", {"embedding_unknown_model"}),
    ],
)
def test_a_defect_fails_its_check(missed: Missed, defect: str, ids: set[str]) -> None:
    """Exactly the check that is about it."""
    assert missed("embedding", defect) == ids
