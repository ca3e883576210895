"""The routes of a plan as the data that `freehold.js` decides by: `routes.js`, and the errors that it answers."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import chain

from freehold.errors import FreeholdError
from freehold.gateway.rendering.plan import MEGABYTE, Cluster, Endpoint, Plan
from freehold.gateway.routing.places import OF_A_MODEL, passed_on
from freehold.gateway.routing.table import ModelRoute
from freehold.gateway.wire.failures import RETRY_AFTER_S
from freehold.http import Dialect
from freehold.http.errors import respond

DIALECTS: tuple[Dialect, ...] = ("openai", "oip")


def routes_js(plan: Plan) -> str:
    """The module `routes.js`. What stands in {braces} in an error is filled in for each request."""
    places = list(passed_on())
    tables: dict[str, Mapping[str, object]] = {
        "route": {name: _route(route) for name, route in plan.routes.items()},
        "model": {cluster.id: _model(cluster) for cluster in plan.clusters.values()},
        "openai": {path: f"/{place.path}" for path, place in places if not place.of_a_model},
        "inference": {verb: method for method, verb in OF_A_MODEL},
        "error": _errors(plan),
    }
    values: dict[str, object] = {"names": list(plan.routes), "tries": plan.gateway.retries + 1}
    return "\n".join(
        (
            "/* Made by `freehold render nginx`. Functions, since njs makes a module's values anew every time. */",
            *chain.from_iterable(_choice(name, table) for name, table in tables.items()),
            *(f"\nfunction {name}() {{\n    return {_js(value)};\n}}" for name, value in values.items()),
            f"\nexport default {{{', '.join((*tables, *values))}}};\n",
        )
    )


def _choice(name: str, table: Mapping[str, object]) -> Iterator[str]:
    """A function from the keys of `table` to their values, null for what is none of them."""
    yield f"\nfunction {name}(key) {{"
    yield "    switch (key) {"
    for key, value in table.items():
        yield f"    case {_js(key)}: return {_js(value)};"
    yield "    }"
    yield "    return null;"
    yield "}"


def _js(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_named(cluster: Cluster) -> bool:
    """Whether a host of it is a name, whose address may change while Nginx runs."""
    return not all(is_fixed(endpoint.host) for endpoint in cluster.endpoints)


def is_fixed(host: str) -> bool:
    """Whether a host keeps its address: it is one, or this machine."""
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def address(endpoint: Endpoint) -> str:
    """An endpoint as Nginx and a Host header have it."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Blank(str):
    """A detail of an error that freehold.js fills in: it stays a {placeholder}, whatever format is asked of it."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        return "{" + self + "}"


def _model(cluster: Cluster) -> dict[str, object]:
    return {
        "there": cluster.name_there,
        "base": cluster.base,
        "root": cluster.root,
        "silence": f"{cluster.silence_s:g}",
        **({"most": cluster.concurrency} if cluster.concurrency is not None else {}),
        **({"endpoints": [address(endpoint) for endpoint in cluster.endpoints]} if is_named(cluster) else {}),
    }


def _route(route: ModelRoute) -> dict[str, object]:
    shares: dict[str, object] = {"to": [{"id": variant.id, "percent": variant.percent} for variant in route.variants]}
    if route.fallback is not None:
        shares["fallback"] = route.fallback
    if route.shadow is not None:
        shares["shadow"] = {"id": route.shadow.id, "percent": route.shadow.percent}
    return shares


def _errors(plan: Plan) -> dict[str, object]:
    """What Nginx itself answers, by code; a request's own details are left blank."""
    served, megabytes = plan.served, plan.body_bytes // MEGABYTE
    blank = {name: _Blank(name) for name in ("path", "method", "allowed", "said", "model", "encoding", "reason")}
    full = {"reason": "concurrency", "seen": "one more request", "setting": "limits.concurrency", "retry_after_s": 1}
    unconnected = "no connection to it can be made"
    cut = "it closed the connection without an answer"
    details: dict[str, dict[str, object]] = {
        "path_not_found": {"path": blank["path"]},
        "method_not_allowed": {name: blank[name] for name in ("path", "method", "allowed")},
        "body_too_large": {"limit_mb": megabytes, "seen": "by its Content-Length, or by what came"},
        "model_conflict": {"said": blank["said"]},
        "model_not_found": {"model": blank["model"], "served": served},
        "model_not_named": {"served": served},
        "body_encoding_unsupported": {"encoding": blank["encoding"]},
        "json_malformed": {"reason": blank["reason"]},
        "overloaded": {"model": blank["model"], "limit": _Blank("limit"), **full},
        "upstream_unreachable": {"model": blank["model"], "reason": unconnected, "retry_after_s": RETRY_AFTER_S},
        "upstream_slow": {"model": blank["model"], "seconds": _Blank("seconds")},
        "upstream_cut": {"model": blank["model"], "reason": cut},
    }
    return {code: _error(FreeholdError(code, **given)) for code, given in details.items()}


def _error(error: FreeholdError) -> dict[str, object]:
    answers = {dialect: respond(error, dialect) for dialect in DIALECTS}
    answer = answers["openai"]
    retry = dict(answer.headers).get(b"retry-after")
    return {
        "status": answer.status,
        **{dialect: given.body.decode("utf-8") for dialect, given in answers.items()},
        **({"retry": retry.decode("ascii")} if retry else {}),
    }
