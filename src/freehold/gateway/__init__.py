"""Models that other servers compute, behind the API, keys and limits of this one."""

from freehold.gateway.build import build
from freehold.gateway.front import Gateway

__all__ = ["Gateway", "build"]
