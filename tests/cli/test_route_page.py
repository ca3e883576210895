"""The page of routes, and that there is none without a right."""

import pytest

from freehold.cli.route_page import every_method, every_route, routes_page
from freehold.http import Call, Response, Route


async def _answer(call: Call) -> Response:
    return Response(b"")


def test_every_route_stands_on_the_page_under_its_right() -> None:
    """Each once, and each method of gRPC; the public ones are probes and the description."""
    page, routes = routes_page(), every_route()
    assert all(page.count(f"| {route.method} | `{route.path}` |") == 1 for route in routes)
    assert all(page.count(f"| gRPC | `{path}` |") == 1 for path, _ in every_method())
    public = {route.path for route in routes if route.public}
    assert public == {"/livez", "/readyz", "/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"}


def test_what_changes_a_node_or_shows_its_numbers_is_no_client_s() -> None:
    """Whoever adds a path below these must name their right."""
    rights = {("/v2/repository", "repository"), ("/v2/systemsharedmemory", "admin"), ("/metrics", "metrics")}
    routes = every_route()
    for prefix, right in rights:
        assert {route.right for route in routes if route.path.startswith(prefix)} == {right}


def test_a_route_without_a_right_cannot_be_made() -> None:
    """Nor one that is public and asks for a right all the same."""
    with pytest.raises(ValueError, match="names the right"):
        Route("GET", "/x", _answer, "plain")
    with pytest.raises(ValueError, match="names the right"):
        Route("GET", "/x", _answer, "plain", "metadata", public=True)
