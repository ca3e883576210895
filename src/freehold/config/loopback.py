"""Which hosts are whoever calls them: an address of loopback in a container is the container's own."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether who calls `host` calls itself; the address of all addresses (0.0.0.0) does too."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
