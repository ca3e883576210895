"""The reference page of routes: every path of a node, and the right that it asks for."""

from itertools import groupby

from freehold.access import RIGHTS, ROLES, Right
from freehold.gateway.front import Front
from freehold.http import MemoryBudget, Route
from freehold.server import openapi
from freehold.server.app import own_routes
from freehold.server.dataplane import DataPlane
from freehold.server.models import Models
from freehold.telemetry import Telemetry

PUBLIC = "public"

_HEAD = """\
# Routes and rights

Every path that a node answers, the methods of gRPC behind them, and the right that each asks for. Paths that are public
need none, and tell of models that belong to a tenant only who has a key that sees them. What a key sees of models:
[why](../decisions/rights.md). Where nobody made keys yet and the node listens on loopback alone, none is needed."""


def routes_page() -> str:
    """Roles with their rights, then every route by its right."""
    lines = [_HEAD, "", "| role | " + " | ".join(f"`{right}`" for right in _rights()) + " |"]
    lines.append("|---" * (1 + len(_rights())) + "|")
    for role in ROLES:
        cells = " | ".join("yes" if right in RIGHTS[role] else "" for right in _rights())
        lines.append(f"| {role} | {cells} |")
    rows = sorted((_heading(route.right), route.path, route.method) for route in every_route())
    rows += sorted((_heading(right), path, "gRPC") for path, right in every_method())
    for right, group in groupby(sorted(rows, key=_by_right), key=lambda row: row[0]):
        lines += ["", f"## {right}", "", "| method | path |", "|---|---|"]
        lines += [f"| {method} | `{path}` |" for _, path, method in group]
    return "\n".join(lines) + "\n"


def every_route() -> list[Route]:
    """The routes of a node that computes models and passes requests on: what it answers alone is among them."""
    telemetry = Telemetry(process=False)
    routes = Front(telemetry).routes(own_routes(DataPlane(Models([]), telemetry), telemetry))
    return [*routes, *openapi.routes(routes)]


def every_method() -> list[tuple[str, Right | None]]:
    """The methods of gRPC by their paths, with the right that each asks for; None for a public one."""
    from freehold.protocol.grpc.messages import HEALTH, INFERENCE
    from freehold.server.grpc.passing import Passing
    from freehold.server.grpc.reception import Reception
    from freehold.server.grpc.service import InferenceService

    telemetry, memory = Telemetry(process=False), MemoryBudget(1)
    reception, passing = Reception(None, telemetry, memory, 0.0), Passing(lambda _: False, (), memory)
    methods = InferenceService(DataPlane(Models([]), telemetry), reception, passing).methods()
    known: dict[str, Right | None] = {method.name: method.right for method in methods}
    known["ModelStreamInfer"] = known["ModelInfer"]
    own = [(f"/{INFERENCE.full_name}/{method.name}", known[method.name]) for method in INFERENCE.methods]
    return [*own, *((f"/{HEALTH.full_name}/{method.name}", None) for method in HEALTH.methods)]


def _rights() -> list[str]:
    return sorted(RIGHTS["admin"])


def _heading(right: Right | None) -> str:
    return right or PUBLIC


def _by_right(row: tuple[str, str, str]) -> tuple[bool, str]:
    return row[0] != PUBLIC, row[0]
