"""What is known of whoever presents a key."""

from dataclasses import replace

import pytest

from freehold.access import Key, Right

KEY = Key("dify", "client", 0.0, b"h" * 32)


@pytest.mark.parametrize(("right", "has"), [("infer", True), ("metadata", True), ("metrics", False), ("admin", False)])
def test_a_key_has_the_rights_of_its_role(right: Right, has: bool) -> None:
    """And no other."""
    assert KEY.has(right) is has


def test_a_role_that_there_is_not_has_no_right() -> None:
    """As somebody may have written it into the database by hand."""
    assert not replace(KEY, role="root").has("metadata")


def test_a_scope_covers_its_models_alone() -> None:
    """None is every model, an empty one is none."""
    assert KEY.covers("anything")
    assert replace(KEY, models=frozenset({"a"})).covers("a")
    assert not replace(KEY, models=frozenset({"a"})).covers("A")
    assert not replace(KEY, models=frozenset()).covers("a")


def test_its_hash_is_in_no_log() -> None:
    """Nor anything else of what its owner presents."""
    assert "hhh" not in repr(KEY)
