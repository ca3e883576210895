"""What must hold of a Dify that is deployed: how browsers reach it, and what takes the place of its containers."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from freehold.config.deploying import Deploy
from freehold.config.dify import Dify
from freehold.config.document import Node, problem_at
from freehold.config.forms import ENV_NAME
from freehold.config.loopback import is_loopback
from freehold.config.secret import is_reference
from freehold.config.shapes import Config
from freehold.errors import FreeholdError

_DEPLOYED_ONLY = (
    "address",
    "host",
    "port",
    "tls",
    "ingress_host",
    "console",
    "vectors",
    "postgres",
    "redis",
    "storage",
    "private_hosts",
    "package_index",
    "plugin_key",
    "environment",
)
"""Keys that say how one is deployed."""
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_HOST = re.compile(r"[^\s/:@]*")
"""Without port and scheme; Dify puts it into an address as it is, so IPv6 has to have a name."""
_SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|DSN|(API|ACCESS|SECRET|PRIVATE)_KEY)$")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


def broken_dify_rules(config: Config, tree: Node) -> Iterator[FreeholdError]:
    """Every such rule that `config` breaks, at its place in `tree`."""
    dify, node = config.dify, tree.at("dify")
    if dify is None:
        return
    if (dify.url is None) == (dify.version is None):
        yield FreeholdError("config_dify_choice", where=node.where)
    elif dify.version is None:
        yield from _misplaced(dify, node)
    else:
        settings = config.deploy or Deploy()
        yield from _placed(dify, settings, node)
        yield from _published(dify, settings, config, node)
        yield from _address(dify, settings, node)
        yield from _own(dify, node)
        if config.network.ca is None:
            yield from _unverified(dify, node)
        yield from _vectors(dify, node.at("vectors"))
        yield from _private_hosts(dify, node)
        yield from _environment(dify, node)


def _misplaced(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """An existing one is as it is."""
    defaults = {field.name: field for field in msgspec.structs.fields(Dify)}
    for name in _DEPLOYED_ONLY:
        field, found = defaults[name], getattr(dify, name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if found != default:
            yield problem_at(node.at(name), "config_dify_deployed_only")


def _placed(dify: Dify, settings: Deploy, node: Node) -> Iterator[FreeholdError]:
    """What belongs to the other kind of place."""
    if settings.target == "systemd":
        yield problem_at(node.at("version"), "config_dify_systemd")
    elif settings.target == "kubernetes" and dify.tls is not None:
        yield problem_at(node.at("tls"), "config_dify_tls_cluster")
    elif settings.target == "compose" and dify.ingress_host is not None:
        yield problem_at(node.at("ingress_host"), "config_dify_ingress_compose")
    if settings.target == "kubernetes" and dify.ingress_host is None and dify.address is None:
        yield problem_at(node.at("version"), "config_dify_unreachable")


def _published(dify: Dify, settings: Deploy, config: Config, node: Node) -> Iterator[FreeholdError]:
    """Nothing else of this machine has the same port."""
    if settings.target != "compose":
        return
    try:
        ipaddress.ip_address(dify.host)
    except ValueError:
        yield problem_at(node.at("host"), "config_dify_host", found=dify.host)
    shares_host = dify.host == settings.host or {dify.host, settings.host} & set(_EVERYWHERE)
    tls = config.server.tls
    taken = {settings.port: "deploy.port", **({tls.http_port: "server.tls.http_port"} if tls and tls.http_port else {})}
    port = dify.public_port
    if shares_host and port in taken:
        yield problem_at(node.at("port"), "config_dify_port_taken", port=port, other=taken[port])


def _address(dify: Dify, settings: Deploy, node: Node) -> Iterator[FreeholdError]:
    """An origin: Dify makes of it every address that it tells."""
    if dify.address is None:
        if settings.target == "compose" and dify.host in _EVERYWHERE:
            yield problem_at(node.at("host"), "config_dify_addressless", found=dify.host)
        return
    place = node.at("address")
    try:
        parts = urlsplit(dify.address)
        _ = parts.port  # read, it is checked
    except ValueError as error:
        yield problem_at(place, "config_dify_origin", found=dify.address, reason=str(error))
        return
    if parts.path.strip("/") or parts.query or parts.fragment or "?" in dify.address or "#" in dify.address:
        yield problem_at(place, "config_dify_origin", found=dify.address, reason="more than scheme, host and port")
    if dify.tls is not None and parts.scheme != "https":
        yield problem_at(place, "config_dify_address_plain", found=dify.address)


def _own(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """In a container, loopback is the container's own."""
    hosts = {
        ("postgres", "host"): dify.postgres.host if dify.postgres else "",
        ("redis", "host"): dify.redis.host if dify.redis else "",
        ("storage", "endpoint"): _host(dify.storage.endpoint) if dify.storage else "",
        ("package_index",): _host(dify.package_index or ""),
        ("vectors", "endpoint"): _host(_url(dify.vectors.endpoint or "")),
    }
    for keys, host in hosts.items():
        if is_loopback(host):
            yield problem_at(node.at(*keys), "config_dify_own_loopback", host=host)
        elif keys[-1] == "host" and not _HOST.fullmatch(host):
            yield problem_at(node.at(*keys), "config_dify_own_host", found=host)


def _unverified(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """libpq and Dify's client of Redis take no authorities but those that they are told: none, and they refuse or ask
    for nothing."""
    if dify.postgres is not None and dify.postgres.tls.startswith("verify-"):
        yield problem_at(node.at("postgres", "tls"), "config_dify_tls_without_ca")
    if dify.redis is not None and dify.redis.tls:
        yield problem_at(node.at("redis", "tls"), "config_dify_tls_without_ca")


def _vectors(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    vectors = dify.vectors
    if vectors.endpoint is None:
        if vectors.key is not None:
            yield problem_at(node.at("key"), "config_dify_vectors_key")
        return
    form, is_good = "HOST:PORT", re.fullmatch(r"[^\s/:@]+:[0-9]{1,5}", vectors.endpoint)
    if vectors.kind != "pgvector":
        form, is_good = "http(s)://HOST:PORT", re.fullmatch(r"https?://[^\s/@]+/?", vectors.endpoint)
    if not is_good:
        yield problem_at(
            node.at("endpoint"), "config_dify_vectors_endpoint", found=vectors.endpoint, kind=vectors.kind, form=form
        )
    if vectors.key is None:
        yield problem_at(node.at("endpoint"), "config_dify_vectors_keyless", kind=vectors.kind)


def _private_hosts(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """Networks that are not everything, and domains; they go into the configuration of a proxy."""
    for index, host in enumerate(dify.private_hosts):
        place = node.at("private_hosts", index)
        try:
            network = ipaddress.ip_network(host)
        except ValueError:
            if not _DOMAIN.fullmatch(host) or re.fullmatch(r"[0-9.]+", host):
                yield problem_at(place, "config_dify_private_host", found=host)
            continue
        if network.prefixlen == 0:
            yield problem_at(place, "config_dify_private_all", found=host)


def _environment(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """Names that a process can have; a secret is never written out; a line is one line."""
    for name, text in dify.environment.items():
        place = node.at("environment", name)
        if not re.fullmatch(ENV_NAME, name):
            yield problem_at(place, "config_dify_variable_name", name=name)
        elif _SECRET_NAME.search(name) and text and not text.isdigit() and not is_reference(text):
            yield problem_at(place, "config_dify_secret_literal", name=name)
        elif not text.isprintable():
            yield problem_at(place, "config_dify_variable_lines", name=name)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _url(endpoint: str) -> str:
    return endpoint if "://" in endpoint else f"tcp://{endpoint}"
