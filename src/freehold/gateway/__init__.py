"""Models that other servers compute, behind the API, keys and limits of this one."""

from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here
from freehold.gateway.running import Gateway

__all__ = ["Gateway", "Here", "build"]
