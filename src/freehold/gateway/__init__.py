"""Models that other servers compute, behind the API, keys and limits of this one."""

from freehold.gateway.build import build
from freehold.gateway.running import Gateway
from freehold.gateway.selection import Here

__all__ = ["Gateway", "Here", "build"]
