"""The configuration of Nginx in front of a Dify on one server.

Every upstream is a variable, so that its name is asked again (`resolver`): a service that was started anew has another
address, and one that is not there yet keeps nobody else from being reached.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

DOCKER_DNS = "127.0.0.11"
HTTP_PORT, HTTPS_PORT = 8080, 8443
"""Above 1024: nobody needs to be root for them."""
HEALTH = "/healthz"
BODY_MB = 600
"""Above PLUGIN_MAX_PACKAGE_SIZE: a package with its wheels is one upload."""
HOOKED = "plugin_daemon"
"""The service that is told by which address its caller came: it makes of it which plugin is meant."""
_USUAL = {"http": 80, "https": 443}

_TEXT = """\
# Made by Freehold: change freehold.yaml and render again.
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
worker_processes auto;

events {{
    worker_connections 1024;
}}

http {{
    access_log /dev/stdout;
    server_tokens off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    keepalive_timeout 65;
    client_max_body_size {body_mb}m;

    resolver {resolver} valid=1s ipv6=off;
    resolver_timeout 5s;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        "" "";
    }}

    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_connect_timeout 10s;
    proxy_read_timeout 3600s;
    proxy_send_timeout 3600s;
{servers}}}
"""
_PLAIN = """
    server {{
        listen {listen};
{locations}    }}
"""
_TLS = """
    server {{
        listen {listen} ssl;
        ssl_certificate /run/secrets/dify-tls-certificate;
        ssl_certificate_key /run/secrets/dify-tls-key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:10m;
        error_page 497 =308 https://$http_host$request_uri;
{locations}    }}
"""
_HEALTH = """\

        location = {path} {{
            access_log off;
            return 204;
        }}
"""
_NOTHING = """\

        location / {
            return 404;
        }
"""


def nginx_conf(
    address: str,
    paths: Mapping[str, str],
    upstreams: Mapping[str, str],
    is_tls: bool,
    resolver: str = DOCKER_DNS,
    ports: tuple[int, int] = (HTTP_PORT, HTTPS_PORT),
) -> str:
    """nginx.conf: `paths` by prefix to services, `upstreams` by service HOST:PORT.

    `address` is Dify as browsers reach it: a proxy in front may speak another scheme with them than with us. With TLS
    the plain port answers probes and nothing else, and who speaks HTTP with the other is sent to HTTPS.
    """
    health = _HEALTH.format(path=HEALTH)
    headers = _headers(address)
    locations = health + "".join(
        _location(path, service, upstreams[service], headers) for path, service in paths.items()
    )
    plain, tls = ports
    if is_tls:
        servers = _PLAIN.format(listen=plain, locations=health + _NOTHING) + _TLS.format(
            listen=tls, locations=locations
        )
    else:
        servers = _PLAIN.format(listen=plain, locations=locations)
    return _TEXT.format(body_mb=BODY_MB, resolver=resolver, servers=servers)


def _headers(address: str) -> Mapping[str, str]:
    """What every upstream is told of the client."""
    place = urlsplit(address)
    return {
        "Host": "$http_host",
        "Upgrade": "$http_upgrade",
        "Connection": "$connection_upgrade",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": place.scheme,
        "X-Forwarded-Host": "$http_host",
        "X-Forwarded-Port": str(place.port or _USUAL[place.scheme]),
    }


def _location(path: str, service: str, upstream: str, headers: Mapping[str, str]) -> str:
    """One prefix, with all headers: a location that sets one inherits none."""
    if service == HOOKED:
        headers = {**headers, "Dify-Hook-Url": f"{headers['X-Forwarded-Proto']}://$http_host$request_uri"}
    lines = [f"set $upstream {upstream};", "proxy_pass http://$upstream;"]
    lines += [f"proxy_set_header {name} {value};" for name, value in headers.items()]
    text = "".join(f"            {line}\n" for line in lines)
    return f"\n        location {path} {{\n{text}        }}\n"
