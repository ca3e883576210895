"""The reference page of routes: every path of a node, and the right that it asks for."""

from itertools import groupby

from freehold.access import RIGHTS, ROLES
from freehold.gateway.front import Front
from freehold.http import Route
from freehold.server import openapi
from freehold.server.app import own_routes
from freehold.server.dataplane import DataPlane
from freehold.server.models import Models
from freehold.telemetry import Telemetry

PUBLIC = "public"

_HEAD = """\
# Routes and rights

Every path that a node answers, and the right that it asks for. Paths that are public need no key, and tell nothing of
models that belong to a tenant. What a key sees of models: [why](../decisions/rights.md). Where nobody made keys and the
node listens on loopback alone, all of it needs none."""


def routes_page() -> str:
    """Roles with their rights, then every route by its right."""
    lines = [_HEAD, "", "| role | " + " | ".join(f"`{right}`" for right in _rights()) + " |"]
    lines.append("|---" * (1 + len(_rights())) + "|")
    for role in ROLES:
        cells = " | ".join("yes" if right in RIGHTS[role] else "" for right in _rights())
        lines.append(f"| {role} | {cells} |")
    for right, group in groupby(sorted(every_route(), key=_by_right), key=_right_of):
        lines += ["", f"## {right}", "", "| method | path |", "|---|---|"]
        lines += [f"| {route.method} | `{route.path}` |" for route in group]
    return "\n".join(lines) + "\n"


def every_route() -> list[Route]:
    """The routes of a node that computes models and passes requests on: what it answers alone is among them."""
    telemetry = Telemetry(process=False)
    routes = Front(telemetry).routes(own_routes(DataPlane(Models([]), telemetry), telemetry))
    return [*routes, *openapi.routes(routes)]


def _rights() -> list[str]:
    return sorted(RIGHTS["admin"])


def _right_of(route: Route) -> str:
    return route.right or PUBLIC


def _by_right(route: Route) -> tuple[bool, str, str, str]:
    return route.right is not None, _right_of(route), route.path, route.method
