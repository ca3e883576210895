"""The routes of a configuration as Envoy's: one file, `envoy.yaml`, that Envoy 1.40 starts from.

No script runs in it. Which model a request names is found by Envoy's own filters (`envoy_names`), whose findings its
routes compare (`envoy_routes`); who answers, and who in their place, are its clusters (`envoy_clusters`).
"""

from collections.abc import Iterator
from typing import Any

import yaml

from freehold.errors import FreeholdError, Kind
from freehold.gateway.rendering.envoy_clusters import chain, clusters, secrets
from freehold.gateway.rendering.envoy_names import TYPES, Tree, extension, name_filters, setting
from freehold.gateway.rendering.envoy_routes import error_body, mirrored, routes
from freehold.gateway.rendering.plan import MEGABYTE, Plan, Rendering, listed
from freehold.gateway.routing.selection import in_order
from freehold.http.errors import STATUS

_HEADER = "# Made by `freehold render envoy`, for Envoy 1.40 or later: change freehold.yaml and render again.\n"
_LARGEST_ANSWER = 4 * MEGABYTE
"""Of those that Envoy gives itself: the list of all models is the largest."""


def render(plan: Plan) -> Rendering:
    """`envoy.yaml`, and what of the plan Envoy cannot do."""
    document = {
        # patterns of all paths of the OpenAI API, and of all names, are larger than what Envoy takes unless told
        "layered_runtime": {
            "layers": [{"name": "freehold", "static_layer": {"re2.max_program_size.error_level": 1_000_000}}]
        },
        "static_resources": {
            "listeners": list(_listeners(plan)),
            "clusters": clusters(plan),
            "secrets": secrets(plan),
        },
    }
    text = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return Rendering({"envoy.yaml": _HEADER + text}, (*plan.warnings, *_warnings(plan)))


_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's writes the same, three times as fast


class _Plain(_Dumper):  # type: ignore[misc]  # which of the two is known at run time only
    """Without references between equal parts, which nobody could read."""

    def ignore_aliases(self, data: Any) -> bool:
        """None is referred to."""
        return True


def _warnings(plan: Plan) -> Iterator[FreeholdError]:
    kept = [
        f"{route.name} to {plan.clusters[name].name_there}"
        for route in plan.routes.values()
        for name in in_order(route, "")
        if plan.clusters[name].name_there != route.name
    ]
    if kept:
        yield FreeholdError("rendering_rename", names=listed(kept))
    parted = [
        route.name
        for route in plan.routes.values()
        for variant in route.variants
        if variant.percent and len(chain(plan, route, variant.id)) < len(list(in_order(route, variant.id)))
    ]
    if parted:
        yield FreeholdError("rendering_fallback", routes=listed(list(dict.fromkeys(parted))))
    unmirrored = [
        route.name for route in plan.routes.values() if route.shadow is not None and not mirrored(plan, route)
    ]
    if unmirrored:
        yield FreeholdError("rendering_mirror", routes=listed(unmirrored))


def _listeners(plan: Plan) -> Iterator[Tree]:
    tls = plan.server.tls
    hosts: Tree = {"name": "models", "domains": ["*"], "routes": routes(plan)}
    hosts["response_headers_to_remove"] = ["strict-transport-security", "alt-svc"]  # that is not for upstreams to say
    if tls is not None and tls.hsts_s:
        value = f"max-age={tls.hsts_s}"
        hosts["response_headers_to_add"] = [setting("strict-transport-security", value)]
    filters = [*name_filters(plan.body_bytes), extension("router", "filters.http.router.v3.Router", **_ROUTER)]
    chain_: Tree = {"filters": [_connections(plan, hosts, filters)]}
    if tls is not None:
        chain_["transport_socket"] = _certificate(plan)
    yield {
        "name": "models",
        "address": _address(plan, plan.server.port),
        "per_connection_buffer_limit_bytes": plan.body_bytes,
        "filter_chains": [chain_],
    }
    if tls is not None and tls.http_port is not None:
        redirect = {"match": {"prefix": "/"}, "redirect": _to_https(plan.server.port)}
        hosts = {"name": "redirect", "domains": ["*"], "routes": [redirect]}
        router = extension("router", "filters.http.router.v3.Router")
        yield {
            "name": "redirect",
            "address": _address(plan, tls.http_port),
            "filter_chains": [{"filters": [_connections(plan, hosts, [router])]}],
        }


_ROUTER = {"suppress_envoy_headers": True}


def _to_https(port: int) -> Tree:
    """By 308: after a 301 clients send GET in place of POST."""
    return {"https_redirect": True, "port_redirect": port, "response_code": "PERMANENT_REDIRECT"}


def _address(plan: Plan, port: int) -> Tree:
    return {"socket_address": {"address": plan.server.host, "port_value": port}}


def _connections(plan: Plan, hosts: Tree, filters: list[Tree]) -> Tree:
    patience = f"{plan.server.body_timeout_s:g}s"
    uuid = f"{TYPES}request_id.uuid.v3.UuidRequestIdConfig"
    return extension(
        "http",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="freehold",
        route_config={
            "name": "freehold",
            "max_direct_response_body_size_bytes": _LARGEST_ANSWER,
            "virtual_hosts": [hosts],
        },
        http_filters=filters,
        # an escape in a path means the same as the letter that it stands for
        normalize_path=True,
        use_remote_address=True,
        skip_xff_append=True,  # who calls is no business of upstreams
        preserve_external_request_id=True,
        always_set_request_id_in_response=True,
        request_id_extension={"typed_config": {"@type": uuid, "pack_trace_reason": False}},
        request_headers_timeout=patience,
        request_timeout=patience,
        stream_idle_timeout="0s",  # every route has its own
        local_reply_config={"mappers": list(_local_replies(plan))},
    )


def _local_replies(plan: Plan) -> Iterator[Tree]:
    """What Envoy says where no route does: a body that is too slow or too large, a server that does not answer."""
    limit = f"more than {plan.body_bytes:,} bytes"
    patience_s = plan.server.body_timeout_s
    errors = {
        408: FreeholdError("slow_client", timeout_s=patience_s, received="%BYTES_RECEIVED%"),
        413: FreeholdError("body_too_large", limit_mb=plan.body_bytes / MEGABYTE, seen=limit),
        502: FreeholdError("upstream_garbage", model="this model", reason="its answer is no HTTP"),
        503: FreeholdError("model_unanswered"),
        504: FreeholdError("model_silent"),
    }
    for status, error in errors.items():
        comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"freehold.{status}"}}
        yield {
            "filter": {"status_code_filter": {"comparison": comparison}},
            "status_code": STATUS[error.kind],
            "body_format_override": {"json_format": error_body(error)},
            "headers_to_add": [setting("retry-after", "1")] if error.kind is Kind.UNAVAILABLE else [],
        }


def _certificate(plan: Plan) -> Tree:
    tls = plan.server.tls
    assert tls is not None, "HTTPS is asked for"
    certificate, key = {"filename": tls.certificate}, {"filename": tls.key or tls.certificate}
    common: Tree = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [{"certificate_chain": certificate, "private_key": key}],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    settings: Tree = {"common_tls_context": common}
    if tls.client_ca is not None:
        common["validation_context"] = {"trusted_ca": {"filename": tls.client_ca}}
        settings["require_client_certificate"] = True
    return extension("tls", "transport_sockets.tls.v3.DownstreamTlsContext", **settings)
