"""The routes of a plan as a configuration of Nginx (1.18 and later) with its JavaScript module (njs 0.7.9 and later).

The files say how Nginx decides: `freehold.js` finds the model that a request names and the variant that answers it,
`routes.js` holds the routes as data, and `freehold.conf` has a location for every model, to which `freehold.js` sends
the request. Nothing that is secret stands in them: keys are in files of their own, which the deployer makes.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from freehold.errors import FreeholdError
from freehold.gateway.rendering.nginx_routes import address, is_fixed, is_named, routes_js
from freehold.gateway.rendering.plan import MEGABYTE, Cluster, Endpoint, Plan, Rendering, listed

CONSTANT = ("nginx.conf", "variables.conf", "upstream_headers.conf", "freehold.js", "body.js", "xxh64.js")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # where Debian, Alpine and the official images have the system's
KEPT_ALIVE_S = 4  # less than the 5 s after which uvicorn, and so vLLM, closes: a request must not meet that end
CHUNKS_MB = 1  # room for the heads of the chunks in which a body may come
RESOLVED_S = 5  # how old an address may be, whatever the name server says of it

_SERVER = """\
    # Bodies are read whole, to find the model in them, and never written to a disk.
    client_max_body_size {body};
    client_body_buffer_size {buffer};
    client_body_in_single_buffer on;
    client_header_timeout {body_timeout};
    client_body_timeout {body_timeout};
    server_tokens off;

    # Answers leave as they come.
    proxy_buffering off;
    proxy_http_version 1.1;
    proxy_connect_timeout 5s;
    proxy_hide_header X-Request-Id;
    proxy_hide_header X-Freehold-Model;
    proxy_hide_header Set-Cookie;
    proxy_hide_header Strict-Transport-Security;
    proxy_hide_header Alt-Svc;
    # No upstream tells Nginx what to do.
    proxy_ignore_headers X-Accel-Redirect X-Accel-Buffering X-Accel-Limit-Rate X-Accel-Charset;
    # Nginx sends a POST to a second server only while nothing of it was sent to the first: `non_idempotent` is not set.
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries {tries};

    add_header X-Request-Id $freehold_request_id always;
    add_header X-Freehold-Model $freehold_model always;

    # Only what Nginx itself says; what an upstream answers is passed back as it is.
    recursive_error_pages on;
    limit_conn_status 429;
    error_page 404 = @nothing;
    error_page 413 = @too-large;
    error_page 429 = @overloaded;
    error_page 502 504 = @failed;

    location / {{
        js_content freehold.route;
    }}
    location ~ ^/(healthz|livez|v2/health/live)$ {{
        default_type application/json;
        return 200 '{{"live":true}}';
    }}
    location @nothing {{
        js_content freehold.route;
    }}
    location @failed {{
        js_content freehold.failed;
    }}
    location @overloaded {{
        js_content freehold.overloaded;
    }}
    location @too-large {{
        js_content freehold.tooLarge;
    }}
"""


def render(plan: Plan, resolvers: Sequence[str] = ()) -> Rendering:
    """The files of `plan`; `resolvers` are the name servers that Nginx asks, as ADDRESS or ADDRESS:PORT.

    Raises `rendering_resolver_missing` where an upstream's host is a name and there is none,
    `rendering_https_address` for HTTPS to an address, whose certificate Nginx cannot check.
    """
    named = [cluster for cluster in plan.clusters.values() if is_named(cluster)]
    if named and not resolvers:
        host = next(end.host for end in named[0].endpoints if not is_fixed(end.host))
        raise FreeholdError("rendering_resolver_missing", model=named[0].id, host=host)
    for cluster in plan.clusters.values():
        if cluster.scheme == "https" and not is_named(cluster):
            raise FreeholdError("rendering_https_address", model=cluster.id, host=cluster.endpoints[0].host)
    folder = files(__package__) / "nginx_files"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in CONSTANT}
    texts |= {"freehold.conf": "\n".join(_conf(plan, resolvers)), "routes.js": routes_js(plan)}
    return Rendering(texts, (*plan.warnings, *_warnings(plan, named)))


def key_file(model: str) -> str:
    """The file, beside freehold.conf, that holds the key of that model's upstream: the deployer makes it."""
    return f"keys/{model}.conf"


def _warnings(plan: Plan, named: Sequence[Cluster]) -> Iterator[FreeholdError]:
    by_chance = [cluster.id for cluster in named if len(cluster.endpoints) > 1]
    if by_chance:
        yield FreeholdError("rendering_replicas_named", models=listed(by_chance))
    unready = [route.name for route in plan.routes.values() if route.fallback is not None or len(route.variants) > 1]
    if unready:
        yield FreeholdError("rendering_readiness", routes=listed(unready))
    for cluster in plan.clusters.values():
        if cluster.key is not None:
            yield FreeholdError("rendering_key", model=cluster.id, key=cluster.key, path=key_file(cluster.id))


def _conf(plan: Plan, resolvers: Sequence[str]) -> Iterator[str]:
    yield "# Made by `freehold render nginx`: the routes of freehold.yaml, for the `http` of Nginx with its njs module."
    yield "include variables.conf;"
    yield ""
    fixed = [cluster for cluster in plan.clusters.values() if not is_named(cluster)]
    for cluster in fixed:
        yield from _upstream(plan, cluster)
    if plan.server.tls is not None and plan.server.tls.http_port is not None:
        yield from _redirect(plan, plan.server.tls.http_port)
    yield "server {"
    yield from _listener(plan)
    if len(fixed) < len(plan.clusters):
        yield "    # Names are asked for again while Nginx runs: a server may come back at another address."
        yield f"    resolver {' '.join(resolvers)} valid={RESOLVED_S}s;"
        yield ""
    yield _SERVER.format(
        body=f"{plan.body_bytes // MEGABYTE}m",
        buffer=f"{plan.body_bytes // MEGABYTE + CHUNKS_MB}m",
        body_timeout=_time(plan.server.body_timeout_s),
        tries=plan.gateway.retries + 1,
    )
    renamed = {name for route in plan.routes.values() for name in _asked(plan, route.name)}
    for cluster in plan.clusters.values():
        yield from _location(plan, cluster, is_renamed=cluster.id in renamed)
    shadows = {route.shadow.id for route in plan.routes.values() if route.shadow is not None}
    for cluster in plan.clusters.values():
        if cluster.id in shadows:
            yield from _shadow(plan, cluster)
    yield "}"
    yield ""


def _asked(plan: Plan, name: str) -> Iterator[str]:
    """The models of a route to which a body with its name cannot go as it is."""
    route = plan.routes[name]
    for model in (*(variant.id for variant in route.variants), route.fallback):
        if model is not None and plan.clusters[model].name_there != name:
            yield model


def _upstream(plan: Plan, cluster: Cluster) -> Iterator[str]:
    name = _upstream_name(cluster)
    bound = "" if plan.gateway.pending is None else f" max_conns={plan.gateway.pending}"
    rule = f"max_fails={plan.gateway.eject_failures} fail_timeout={max(1, round(plan.gateway.eject_s))}s{bound}"
    yield f"upstream {name} {{"
    yield f"    zone {name} 64k;"
    yield "    least_conn;"
    for endpoint in cluster.endpoints:
        server = endpoint._replace(host="127.0.0.1") if endpoint.host == "localhost" else endpoint
        yield f"    server {address(server)} {rule};"
    yield "    keepalive 64;"
    yield f"    keepalive_timeout {KEPT_ALIVE_S}s;"
    yield "}"


def _upstream_name(cluster: Cluster) -> str:
    """Nginx does not tell letters' case in these names, a model's id does."""
    return "freehold_" + re.sub("[A-Z]", lambda letter: f"+{letter[0].lower()}", cluster.id)


def _redirect(plan: Plan, port: int) -> Iterator[str]:
    yield "server {"
    yield f"    listen {_listened(plan, port)};"
    yield "    server_tokens off;"
    there = "$host" if plan.server.port == 443 else f"$host:{plan.server.port}"
    yield f"    return 308 https://{there}$request_uri;"
    yield "}"


def _listened(plan: Plan, port: int) -> str:
    return _quoted(address(Endpoint(plan.server.host, port)))


def _listener(plan: Plan) -> Iterator[str]:
    tls = plan.server.tls
    listen = _listened(plan, plan.server.port)
    if tls is None:
        yield f"    listen {listen};"
        return
    yield f"    listen {listen} ssl;"
    yield f"    ssl_certificate {_quoted(tls.certificate or '')};"
    yield f"    ssl_certificate_key {_quoted(tls.key or tls.certificate or '')};"
    yield "    ssl_protocols TLSv1.2 TLSv1.3;"
    yield "    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;"
    yield "    ssl_session_cache shared:freehold:1m;"
    yield "    ssl_session_tickets off;"
    if tls.client_ca is not None:
        yield f"    ssl_client_certificate {_quoted(tls.client_ca)};"
        yield "    ssl_verify_client on;"
        yield "    ssl_verify_depth 4;"
    if tls.hsts_s:
        yield f'    add_header Strict-Transport-Security "max-age={tls.hsts_s}" always;'


def _location(plan: Plan, cluster: Cluster, *, is_renamed: bool) -> Iterator[str]:
    yield f"    location @model-{cluster.id} {{"
    if cluster.concurrency is not None:
        yield f"        limit_conn freehold_models {cluster.concurrency};"
    if is_renamed:
        yield "        proxy_set_body $freehold_body_there;"
    yield "        proxy_set_header X-Model-Id $freehold_name;"
    yield from _sending(plan, cluster, "$freehold_uri", "$freehold_endpoint")
    yield "    }"


def _shadow(plan: Plan, cluster: Cluster) -> Iterator[str]:
    yield "    # Copies of requests. While one is under way Nginx reads nothing more of the client's connection, which"
    yield "    # therefore ends with the answer: the client's next request has another connection and does not wait."
    yield f"    location @shadow-{cluster.id} {{"
    yield f"        mirror /-/shadow/{cluster.id};"
    yield "        keepalive_timeout 0;"
    yield "        js_content freehold.onward;"
    yield "    }"
    yield f"    location = /-/shadow/{cluster.id} {{"
    yield "        internal;"
    yield "        proxy_ignore_client_abort on;"
    yield "        proxy_set_body $freehold_shadow_body_there;"
    yield "        proxy_set_header X-Model-Id $freehold_shadow_name;"
    yield from _sending(plan, cluster, "$freehold_shadow_uri", "$freehold_shadow_endpoint")
    yield "    }"


def _sending(plan: Plan, cluster: Cluster, uri: str, endpoint: str) -> Iterator[str]:
    """How a request goes to the servers of a model; `uri` and `endpoint` are Nginx's variables."""
    yield "        include upstream_headers.conf;"
    if cluster.key is None:
        yield '        proxy_set_header Authorization "";'
    else:
        yield f'        # The deployer makes it (mode 600; {cluster.key}): proxy_set_header Authorization "Bearer KEY";'
        yield f"        include {key_file(cluster.id)};"
    yield f"        proxy_read_timeout {_time(cluster.silence_s)};"
    yield f"        proxy_send_timeout {_time(cluster.silence_s)};"
    if is_named(cluster):
        yield "        proxy_set_header Host $proxy_host;"
        yield from _trust(plan, cluster)
        yield f"        proxy_pass {cluster.scheme}://{endpoint}{uri};"
    else:
        yield f"        proxy_set_header Host {cluster.authority(cluster.endpoints[0])};"
        yield f"        proxy_pass {cluster.scheme}://{_upstream_name(cluster)}{uri};"


def _trust(plan: Plan, cluster: Cluster) -> Iterator[str]:
    if cluster.scheme != "https":
        return
    network = plan.network
    yield "        proxy_ssl_server_name on;"
    yield "        proxy_ssl_verify on;"
    yield "        proxy_ssl_verify_depth 4;"
    yield "        proxy_ssl_protocols TLSv1.2 TLSv1.3;"
    yield f"        proxy_ssl_trusted_certificate {_quoted(network.ca or AUTHORITIES)};"
    if network.client_certificate is not None:
        yield f"        proxy_ssl_certificate {_quoted(network.client_certificate)};"
        yield f"        proxy_ssl_certificate_key {_quoted(network.client_key or network.client_certificate)};"


def _time(seconds: float) -> str:
    return f"{seconds:g}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
