"""Rights, and which of them each role has."""

from typing import get_args

from freehold.access import RIGHTS, ROLES, Right


def test_each_role_has_its_rights() -> None:
    """The table that docs/how-to/keys.md shows."""
    assert {role: set(RIGHTS[role]) for role in ROLES} == {
        "viewer": {"metadata", "metrics"},
        "client": {"metadata", "infer"},
        "operator": {"metadata", "infer", "metrics", "repository"},
        "admin": set(get_args(Right)),
    }


def test_nobody_is_kept_from_what_is_served() -> None:
    """And nobody but an admin administers."""
    assert all("metadata" in RIGHTS[role] for role in ROLES)
    assert [role for role in ROLES if "admin" in RIGHTS[role]] == ["admin"]
