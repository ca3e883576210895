"""The address by which a container reaches this machine."""

import fcntl
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

SIOCGIFADDR = 0x8915  # linux/sockios.h: the IPv4 address of an interface
NAME_BYTES = 16  # IFNAMSIZ, with its closing zero
ADDRESS_AT = slice(20, 24)  # struct ifreq: the name, family and port, then the address


@dataclass(frozen=True)
class Bridge:
    """A Docker network's interface on this machine."""

    name: str
    address: str


def bridges_of(interfaces: Iterable[str]) -> list[str]:
    """Docker's bridges among the names of interfaces: `docker0` first, since containers of every network reach it."""
    names = sorted(interfaces)
    return [name for name in names if name == "docker0"] + [name for name in names if name.startswith("br-")]


def docker_bridge() -> Bridge | None:
    """The first Docker bridge with an address, or None: no Docker, or all of its networks are elsewhere."""
    for name in bridges_of(name for _, name in socket.if_nameindex()):
        address = interface_address(name)
        if address is not None:
            return Bridge(name, address)
    return None


def interface_address(name: str) -> str | None:
    """The IPv4 address of an interface, or None when it has none."""
    request = struct.pack("256s", name.encode()[: NAME_BYTES - 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[ADDRESS_AT])
