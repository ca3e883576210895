"""Rights, and which of them each role has: one table, asked of every request.

Rights are no ladder: whoever reads metrics may not infer, and a client may not read metrics.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

Right = Literal["metadata", "infer", "metrics", "repository", "admin"]
"""What a route asks for: to see what is served; to be answered by a model; to read the server's own numbers; to load
and unload; all else that changes or shows the server."""

Role = Literal["viewer", "client", "operator", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        "viewer": frozenset({"metadata", "metrics"}),
        "client": frozenset({"metadata", "infer"}),
        "operator": frozenset({"metadata", "infer", "metrics", "repository"}),
        "admin": frozenset(get_args(Right)),
    }
)
