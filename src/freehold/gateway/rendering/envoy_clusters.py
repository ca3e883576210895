"""Envoy's clusters: one a model, and one more for each model for which others answer while it cannot."""

import ipaddress

from freehold.gateway.rendering.envoy_names import INTERNAL, MUTATION, TYPES, Tree, extension, forgetting
from freehold.gateway.rendering.plan import Cluster, Endpoint, Plan
from freehold.gateway.routing.selection import in_order
from freehold.gateway.routing.table import ModelRoute
from freehold.gateway.wire.pool import CONNECT_S

KEEP_ALIVE_S = 4  # less than the 5 s after which uvicorn, and so vLLM, closes: a request must not meet that end
UNBOUNDED = 4_294_967_295
_SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"  # Debian, Ubuntu, Alpine


def clusters(plan: Plan) -> list[Tree]:
    """Every model's, then those of the chains that routes use."""
    chains = {
        chain(plan, route, variant.id): None
        for route in plan.routes.values()
        for variant in route.variants
        if variant.percent
    }
    return [
        *(_cluster(plan, cluster) for cluster in plan.clusters.values()),
        *(_chained(plan, ids) for ids in chains if len(ids) > 1),
    ]


def secrets(plan: Plan) -> list[Tree]:
    """The keys of the models' servers, read when Envoy starts: from its environment, or from a file."""
    keys = sorted({cluster.key for cluster in plan.clusters.values() if cluster.key is not None})
    return [{"name": key, "generic_secret": {"secret": _place(key)}} for key in keys]


def chain(plan: Plan, route: ModelRoute, variant: str) -> tuple[str, ...]:
    """The models that answer for a variant of `route`, in the gateway's order, without those of another path or another
    key: Envoy decides on path and key before it knows who answers."""
    first = plan.clusters[variant]
    others = (plan.clusters[name] for name in in_order(route, variant))
    return tuple(one.id for one in others if (one.base, one.key) == (first.base, first.key))


def joined(ids: tuple[str, ...]) -> str:
    """The name of the cluster of a chain."""
    return "/".join(ids)


def _cluster(plan: Plan, cluster: Cluster) -> Tree:
    fixed = all(_is_address(endpoint.host) for endpoint in cluster.endpoints)
    tree: Tree = {
        "name": cluster.id,
        "type": "STATIC" if fixed else "STRICT_DNS",
        "connect_timeout": f"{CONNECT_S:g}s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},  # who is out is not asked, were it the last
        "load_assignment": {
            "cluster_name": cluster.id,
            "endpoints": [{"lb_endpoints": [_endpoint(cluster, endpoint) for endpoint in cluster.endpoints]}],
        },
        "circuit_breakers": {"thresholds": [_thresholds(cluster)]},
        "outlier_detection": _ejection(plan),
        "typed_extension_protocol_options": _protocol(cluster.key),
    }
    if plan.gateway.pending is not None:
        tree["circuit_breakers"]["per_host_thresholds"] = [{"max_connections": plan.gateway.pending}]
    if not fixed:
        tree["dns_lookup_family"] = "V4_PREFERRED"
    return tree | (_tls(plan, cluster) if cluster.scheme == "https" else {})


def _chained(plan: Plan, ids: tuple[str, ...]) -> Tree:
    return {
        "name": joined(ids),
        "connect_timeout": f"{CONNECT_S:g}s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": extension(
            "envoy.clusters.aggregate", "clusters.aggregate.v3.ClusterConfig", clusters=list(ids)
        ),
        "typed_extension_protocol_options": _protocol(plan.clusters[ids[0]].key),
    }


def _endpoint(cluster: Cluster, endpoint: Endpoint) -> Tree:
    address = {"address": endpoint.host, "port_value": endpoint.port}
    known = {"freehold": {"model": cluster.id}}
    if cluster.scheme == "https":
        known["envoy.transport_socket_match"] = {"host": endpoint.host}
    return {
        "endpoint": {"hostname": cluster.authority(endpoint), "address": {"socket_address": address}},
        "metadata": {"filter_metadata": known},
    }


def _thresholds(cluster: Cluster) -> Tree:
    """A connection carries one request at a time, and requests wait for one: as many again may. Envoy's own bounds, of
    1,024 each, are for other traffic than streams that last minutes."""
    bound = UNBOUNDED if cluster.concurrency is None else cluster.concurrency
    return {
        "max_connections": bound,
        "max_pending_requests": bound,  # a burst that finds no connection waits here, too
        "max_requests": UNBOUNDED,
        "max_retries": UNBOUNDED,
    }


def _ejection(plan: Plan) -> Tree:
    failures = plan.gateway.eject_failures
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": failures,
        "consecutive_gateway_failure": failures,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "base_ejection_time": f"{plan.gateway.eject_s:g}s",
        "interval": "1s",
        "max_ejection_percent": 100,
    }


def _protocol(key: str | None) -> Tree:
    """HTTP/1.1, and what is done to a request once it is known who gets it."""
    filters = [
        extension(
            "names",
            MUTATION,
            mutations={"request_mutations": [forgetting(INTERNAL), forgetting("x-envoy-")]},
        )
    ]
    if key is not None:
        credential = extension(
            "envoy.http.injected_credentials.generic",
            "http.injected_credentials.generic.v3.Generic",
            credential={"name": key},
            header="authorization",
            header_value_prefix="Bearer ",
        )
        kind = "filters.http.credential_injector.v3.CredentialInjector"
        filters.append(extension("key", kind, overwrite=True, credential=credential))
    filters.append(extension("codec", "filters.http.upstream_codec.v3.UpstreamCodec"))
    options = {
        "@type": f"{TYPES}upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": f"{KEEP_ALIVE_S}s"},
        "http_filters": filters,
    }
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}


def _tls(plan: Plan, cluster: Cluster) -> Tree:
    """One way to encrypt for each host, since each shows a certificate of its own name."""
    hosts = dict.fromkeys(endpoint.host for endpoint in cluster.endpoints)
    return {
        "transport_socket_matches": [
            {"name": host, "match": {"host": host}, "transport_socket": _encrypted(plan, host)} for host in hosts
        ]
    }


def _encrypted(plan: Plan, host: str) -> Tree:
    network = plan.network
    is_address = _is_address(host)
    expected = {"san_type": "IP_ADDRESS" if is_address else "DNS", "matcher": {"exact": host}}
    context: Tree = {
        "validation_context": {
            "trusted_ca": {"filename": network.ca or _SYSTEM_CA},
            "match_typed_subject_alt_names": [expected],
        }
    }
    if network.client_certificate is not None:
        certificate = {"filename": network.client_certificate}
        key = {"filename": network.client_key or network.client_certificate}
        context["tls_certificates"] = [{"certificate_chain": certificate, "private_key": key}]
    settings: Tree = {"common_tls_context": context} | ({} if is_address else {"sni": host})
    return extension("tls", "transport_sockets.tls.v3.UpstreamTlsContext", **settings)


def _place(reference: str) -> Tree:
    """Where Envoy reads a secret, from `${env:NAME}` or `${file:PATH}`."""
    place, _, name = reference[2:-1].partition(":")
    return {"environment_variable" if place == "env" else "filename": name}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
