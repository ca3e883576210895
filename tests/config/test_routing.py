"""What the configuration says of routes."""

import pytest

from freehold.config import Hold, Route, RouteTarget, Shadow


@pytest.mark.parametrize(
    ("written", "meant"),
    [(None, None), ("b", Shadow("b", 100, "auto")), (Shadow("b", 5, "exact"), Shadow("b", 5, "exact"))],
)
def test_both_forms_of_a_shadow_are_one(written: str | Shadow | None, meant: Shadow | None) -> None:
    """A name alone copies every request."""
    assert Route(model="r", to=(RouteTarget("a"),), shadow=written).shadowed == meant


def test_targets_share_evenly_and_some_requests_wait() -> None:
    """Unless the file says otherwise."""
    route = Route(model="r", to=(RouteTarget("a"), RouteTarget("b")))
    assert [target.weight for target in route.to] == [1, 1]
    assert route.hold == Hold(64, 30.0)
