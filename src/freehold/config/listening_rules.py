"""What must hold between the keys of HTTPS: of `server.tls`, and of this node's certificate for upstreams."""

import ipaddress
import re
from collections.abc import Iterator

from freehold.config.document import Node
from freehold.config.listening import Acme, Server, Tls
from freehold.config.shapes import Config, Network
from freehold.errors import FreeholdError

_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


def broken_listening_rules(config: Config, tree: Node) -> Iterator[FreeholdError]:
    """Every such rule that `config` breaks, at its place in `tree`."""
    yield from _pair(config.network, ("client_certificate", "client_key"), tree.at("network"))
    if config.server.tls is not None:
        yield from _tls(config.server, config.server.tls, tree.at("server", "tls"))


def _pair(shape: Network | Tls, keys: tuple[str, str], node: Node) -> Iterator[FreeholdError]:
    """A certificate and its key: both or neither."""
    given = [key for key in keys if getattr(shape, key) is not None]
    if len(given) == 1:
        place = node.at(given[0])
        missing = next(key for key in keys if key not in given)
        yield FreeholdError("config_tls_half", where=place.where, key=place.key, missing=missing)


def _tls(server: Server, tls: Tls, node: Node) -> Iterator[FreeholdError]:
    yield from _pair(tls, ("certificate", "key"), node)
    own = tls.certificate is not None or tls.key is not None
    if own == (tls.acme is not None):
        found = "both a certificate of your own and `acme`" if own else "no certificate"
        yield FreeholdError("config_tls_choice", where=node.where, key=node.key, found=found)
    if tls.http_port == server.port:
        place = node.at("http_port")
        yield FreeholdError("config_http_port_taken", where=place.where, key=place.key, port=server.port)
    if tls.acme is not None:
        yield from _acme(tls, tls.acme, node.at("acme"))


def _acme(tls: Tls, acme: Acme, node: Node) -> Iterator[FreeholdError]:
    if tls.http_port is None:
        yield FreeholdError("config_acme_port", where=node.where, key=node.key)
    if not acme.accept_terms:
        yield FreeholdError("config_acme_terms", where=node.at("accept_terms").where, directory=acme.directory)
    if not acme.domains:
        yield FreeholdError("config_acme_nameless", where=node.at("domains").where, key=node.at("domains").key)
    for index, domain in enumerate(acme.domains):
        reason = _unprovable(domain)
        if reason:
            where = node.at("domains", index).where
            yield FreeholdError("config_acme_domain", where=where, found=domain, reason=reason)


def _unprovable(domain: str) -> str:
    """Why http-01 cannot prove a name (RFC 8555, 8.3), or nothing."""
    if domain.startswith("*."):
        return "a wildcard is proven only in DNS"
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return "" if _DNS_NAME.fullmatch(domain) and len(domain) <= 253 else "it is no DNS name"
    return "it is an address"
