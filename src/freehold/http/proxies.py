"""Whence a request comes, where proxies stand before this server."""

import ipaddress
from collections.abc import Iterable, Mapping


class TrustedProxies:
    """Reads `X-Forwarded-For` of the servers that the configuration trusts, and of nobody else."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        """Addresses and networks, as `access.trusted_proxies` has them."""
        self._trusted = tuple(ipaddress.ip_network(one) for one in addresses)

    def client(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The address of whoever asks, of a request that `peer` sent with these headers, by their lower-case names.

        Each proxy appends whom it heard, so that the last entry which is no trusted proxy is the client; what stands
        before it anybody could have written. An entry that is no address ends the search at the proxy that wrote it.
        """
        if not self._trusted or not self._trusts(peer):
            return peer
        address = peer
        for entry in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            heard = _without_port(entry.strip())
            if not _is_address(heard):
                break
            address = heard
            if not self._trusts(heard):
                break
        return address

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._trusted)


def _without_port(entry: str) -> str:
    """`192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies write, without the port."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
