"""What must hold of `access` beyond each key's own type."""

import ipaddress
from collections.abc import Iterator

from freehold.config.document import Node
from freehold.config.shapes import Access
from freehold.errors import FreeholdError


def broken_access_rules(access: Access, node: Node) -> Iterator[FreeholdError]:
    """Every such rule that `access` breaks; `node` is its place in the file."""
    for index, proxy in enumerate(access.trusted_proxies):
        place = node.at("trusted_proxies", index)
        try:
            is_everything = ipaddress.ip_network(proxy).prefixlen == 0
        except ValueError as error:
            yield FreeholdError("config_trusted_proxy", where=place.where, key=place.key, found=proxy, reason=error)
            continue
        if is_everything:
            yield FreeholdError("config_trusted_everybody", where=place.where, key=place.key, found=proxy)
