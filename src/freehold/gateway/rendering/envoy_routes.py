"""Envoy's routes: good requests first, one comparison a model; then what is refused, in the words of the gateway.

Envoy tries one after the other. A request that no route takes names no known model. How many routes there are grows
with the models, not with the ways to name one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from freehold.errors import FreeholdError
from freehold.gateway.rendering.envoy_clusters import chain, joined
from freehold.gateway.rendering.envoy_names import (
    BODY,
    CALLS,
    CONFLICT,
    HEADER,
    JSON,
    LISTED,
    MALFORMED,
    MODEL,
    OPENAI,
    PATH,
    QUERY,
    READS,
    TAIL,
    Tree,
    extension,
    setting,
)
from freehold.gateway.rendering.plan import Cluster, Plan
from freehold.gateway.routing.table import ModelRoute
from freehold.http.call import Dialect
from freehold.http.errors import STATUS, respond

_SHOWN = 80  # characters of a name in a message
_JSON = [setting("content-type", "application/json")]
_PACKED = "(?i) *(?:identity)? *"


def routes(plan: Plan) -> list[Tree]:
    """All of them, in the order in which they are tried."""
    return [
        *(_called(plan, route) for route in plan.routes.values()),
        *_own(plan),
        *_refusals(plan),
        *(_in_path(plan, route) for route in plan.routes.values()),
        *_by_dialect(_unknown(plan, MODEL)),
    ]


def error_body(error: FreeholdError, dialect: Dialect = "openai") -> Any:
    """What the gateway answers, as plain data; Envoy's substitutions within stay as they are."""
    return json.loads(respond(error, dialect).body)


def _own(plan: Plan) -> Iterator[Tree]:
    """What a gateway answers by itself: whether it lives, and the names."""
    yield _answer(_at("/(?:livez|healthz)"), 200, {"status": "ok"})
    asked = _text(":method", "GET")
    rows = [_row(name) for name in plan.routes]
    yield _answer(_at("(?:/v1)?/models/?", asked), 200, {"object": "list", "data": rows})
    any_name = "|".join(re.escape(name) for name in plan.routes)
    known = {"name": LISTED, "string_match": {"safe_regex": {"regex": any_name}}}
    yield _answer(_any(asked, known), 200, _row(f"%REQ({LISTED})%"))
    yield _refusal(_any(asked, _has(LISTED)), _unknown(plan, LISTED))


def _row(name: str) -> Tree:
    return {"id": name, "object": "model", "created": 0, "owned_by": "freehold"}


def _unknown(plan: Plan, named: str) -> FreeholdError:
    return FreeholdError("model_not_found", model=f"%REQ({named}):200%", served=plan.served)


def _refusals(plan: Plan) -> Iterator[Tree]:
    """Requests that no model gets, whichever there are."""
    unnamed = _lacks(MODEL)
    packed = {"name": "content-encoding", "string_match": {"safe_regex": {"regex": _PACKED}}, "invert_match": True}
    other = FreeholdError("path_not_found", path="%PATH(NQ)%")
    yield _refusal(_at("/v2(?:/.*)?", _lacks(OPENAI), _lacks(PATH)), other, "oip")
    yield _refusal(_any(_lacks(OPENAI), _lacks(PATH)), other)
    yield _method(_any(_has(OPENAI)), "POST", "openai")
    yield _method(_at(f"/v2/models/[^/]+{READS}/?"), "GET", "oip")
    yield _method(_at(f"/v2/models/[^/]+{CALLS}/?"), "POST", "oip")
    places = {"path": PATH, "header x-model-id": HEADER, "query model_id": QUERY, "body": BODY}
    said = ", ".join(f"{place}: %REQ({header}):{_SHOWN}%" for place, header in places.items())
    yield from _by_dialect(FreeholdError("model_conflict", said=said), _text(CONFLICT, "true"))
    encoding = FreeholdError("body_encoding_unsupported", encoding="%REQ(content-encoding):40%")
    yield _refusal(_any(unnamed, _has("content-encoding"), packed), encoding)
    malformed = FreeholdError("json_malformed", reason="it cannot be read, or `model` is not a text")
    json_type = {"name": "content-type", "string_match": {"safe_regex": {"regex": f"(?:{JSON})?"}}}
    read = {**json_type, "treat_missing_header_as_empty": True}
    yield _refusal(_any(unnamed, read, _text(MALFORMED, "true")), malformed)
    yield _refusal(_any(unnamed), FreeholdError("model_not_named", served=plan.served))


def _called(plan: Plan, route: ModelRoute) -> Tree:
    """Where a name's calls of the OpenAI API go. Nothing else matches, so that it may stand before all refusals."""
    chains = {name: chain(plan, route, name) for name in _sharing(route)}
    action = _action(plan, route, chains, OPENAI)
    if mirrors := list(_mirrors(plan, route)):
        action["request_mirror_policies"] = mirrors
    # the name first: it ends most comparisons
    match = _any(_text(MODEL, route.name), _text(":method", "POST"), _has(OPENAI), _unlike(CONFLICT, "true"))
    return {"match": match, "route": action}


def _in_path(plan: Plan, route: ModelRoute) -> Tree:
    """Where its calls of the Open Inference Protocol go. Their path holds a model's own name, so nobody can answer in
    its place, and a copy would ask the shadow for another model: chains and copies are for the OpenAI API."""
    alone = {name: (name,) for name in _sharing(route)}
    return {"match": _any(_text(MODEL, route.name), _has(PATH)), "route": _action(plan, route, alone, PATH)}


def _sharing(route: ModelRoute) -> list[str]:
    return [variant.id for variant in route.variants if variant.percent]


def _action(plan: Plan, route: ModelRoute, chains: Mapping[str, tuple[str, ...]], path: str) -> Tree:
    """Which variant is asked, and for which path: what its servers know takes the place of the header `path`."""
    shares = {variant.id: variant.percent for variant in route.variants}
    headers = _named_there if path == PATH else _below_there
    action: Tree = {
        "weighted_clusters": {
            "clusters": [
                {"name": joined(ids), "weight": shares[name], "request_headers_to_add": headers(plan.clusters[name])}
                for name, ids in chains.items()
            ],
            "use_hash_policy": True,
        },
        "hash_policy": [{"header": {"header_name": "x-request-id"}}],
        "path_rewrite": f"%REQ({path})%",
        "auto_host_rewrite": True,
        "timeout": "0s",  # an answer may take as long as it keeps coming
        "idle_timeout": f"{max(plan.clusters[name].silence_s for ids in chains.values() for name in ids):g}s",
    }
    if retries := _retries(plan, list(chains.values())):
        action["retry_policy"] = retries
    return action


def _below_there(cluster: Cluster) -> list[Tree]:
    return [setting(OPENAI, f"{_literal(cluster.base)}%REQ({OPENAI})%")]


def _named_there(cluster: Cluster) -> list[Tree]:
    """The path's name there, and the same in the header that may name it, too: they must agree there as well."""
    path = f"{cluster.root}/v2/models/{quote(cluster.name_there, safe='')}"
    name = setting("x-model-id", _literal(cluster.name_there), "OVERWRITE_IF_EXISTS")
    return [setting(PATH, f"{_literal(path)}%REQ({TAIL})%"), name]


def _literal(text: str) -> str:
    """What stands for `text` where Envoy substitutes."""
    return text.replace("%", "%%")


def _retries(plan: Plan, chains: Sequence[tuple[str, ...]]) -> Tree:
    """Further attempts, of requests that have not arrived: at other replicas, then at the next model of a chain."""
    longest = max(len(ids) for ids in chains)
    replicas = max(len(plan.clusters[name].endpoints) for ids in chains for name in ids)
    attempts = plan.gateway.retries + 1 if longest == 1 else min(plan.gateway.retries + 1, replicas)
    policy: Tree = {
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": attempts * longest - 1,
        "retry_host_predicate": [
            extension("others", "retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        ],
        "host_selection_retry_max_attempts": 3,
    }
    if longest > 1:
        kind = "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
        policy["retry_priority"] = extension("next", kind, update_frequency=attempts)
    return policy if policy["num_retries"] else {}


def _mirrors(plan: Plan, route: ModelRoute) -> Iterator[Tree]:
    """Copies to a route's shadow, where its servers have the same paths as the route's models."""
    shadow = route.shadow
    if shadow is None or not shadow.percent or not mirrored(plan, route):
        return
    cluster = plan.clusters[shadow.id]
    yield {
        "cluster": shadow.id,
        "runtime_fraction": {"default_value": {"numerator": shadow.percent}},
        "host_rewrite_literal": cluster.authority(cluster.endpoints[0]),
        "disable_shadow_host_suffix_append": True,
    }


def mirrored(plan: Plan, route: ModelRoute) -> bool:
    """Whether copies for the shadow of `route` can be sent: Envoy gives them the path of the original."""
    assert route.shadow is not None, "the route has a shadow"
    bases = {plan.clusters[variant.id].base for variant in route.variants if variant.percent}
    return bases == {plan.clusters[route.shadow.id].base}


def _by_dialect(error: FreeholdError, *headers: Tree) -> Iterator[Tree]:
    yield _refusal(_any(_has(PATH), *headers), error, "oip")
    yield _refusal(_any(*headers), error)


def _method(match: Tree, allowed: str, dialect: Dialect) -> Tree:
    """Refuses another method than the one that belongs to what `match` finds."""
    headers = [*match.get("headers", ()), {**_text(":method", allowed), "invert_match": True}]
    error = FreeholdError("method_not_allowed", method="%REQ(:METHOD)%", path="%PATH(NQ)%", allowed=allowed)
    refusal = _refusal({**match, "headers": headers}, error, dialect)
    refusal["response_headers_to_add"] = [*_JSON, setting("allow", allowed)]
    return refusal


def _refusal(match: Tree, error: FreeholdError, dialect: Dialect = "openai") -> Tree:
    return _answer(match, STATUS[error.kind], error_body(error, dialect))


def _answer(match: Tree, status: int, document: Any) -> Tree:
    text = json.dumps(document, ensure_ascii=False)
    formed: Tree = {"body": {"inline_string": text}}
    if "%" in text:  # a form, whose substitutions Envoy writes as JSON
        formed = {"body_format": {"json_format": document}}
    return {"match": match, "direct_response": {"status": status, **formed}, "response_headers_to_add": _JSON}


def _any(*headers: Tree) -> Tree:
    return {"prefix": "/", "headers": list(headers)} if headers else {"prefix": "/"}


def _at(path: str, *headers: Tree) -> Tree:
    match: Tree = {"safe_regex": {"regex": path}}
    return {**match, "headers": list(headers)} if headers else match


def _text(header: str, value: str) -> Tree:
    return {"name": header, "string_match": {"exact": value}}


def _unlike(header: str, value: str) -> Tree:
    return {**_text(header, value), "invert_match": True, "treat_missing_header_as_empty": True}


def _has(header: str) -> Tree:
    return {"name": header, "present_match": True}


def _lacks(header: str) -> Tree:
    return {"name": header, "present_match": False}
