"""Whether a cluster has a node for each service: what one copy asks for, against what nodes give to pods at most.

What runs there already is the scheduler's affair: a node that is full may be emptied, one that is too small may not.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lightkube.resources.core_v1 import Node

from freehold.deploy.kubernetes.pods import resources
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError

_QUANTITY = re.compile(r"([0-9.]+(?:e[0-9]+)?)([numkKMGTPE]?i?)")
_POWERS = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_MIB = 1 << 20


@dataclass(frozen=True)
class Room:
    """What one copy of a service asks for, the node that comes closest, what it gives, and of what too little; "" for a
    node where none is known.

    Amounts by resource, as Kubernetes counts them: cores, bytes, devices.
    """

    service: str
    asks: Mapping[str, float]
    node: str
    gives: Mapping[str, float]
    lacks: tuple[str, ...]

    @property
    def text(self) -> str:
        """`bge asks for 0.25 cpu, 3,300 MiB memory; node-1 gives 4 cpu, 16,000 MiB memory: fits`."""
        asks = f"{self.service} asks for {_told(self.asks)}"
        if not self.node:
            return asks
        verdict = f"too little {', '.join(self.lacks)}" if self.lacks else "fits"
        return f"{asks}; {self.node} gives {_told({name: self.gives.get(name, 0.0) for name in self.asks})}: {verdict}"


@dataclass(frozen=True)
class Compared:
    """All services. `trouble`: nodes that are too small, or why nobody compared; None where everything fits."""

    rooms: tuple[Room, ...]
    trouble: FreeholdError | None

    @property
    def table(self) -> str:
        """A line for each service."""
        return _table(self.rooms)


def compared(units: Sequence[Unit], nodes: Callable[[], Sequence[Node]]) -> Compared:
    """`units` against what `nodes` gives. Where that raises, or there are none, only what they ask for is known."""
    try:
        given = {_name(node): _given(node) for node in nodes()}
        reason = "" if given else "it has no node now"
    except FreeholdError as error:
        given, reason = {}, error.cause
    found = tuple(_room(unit, given) for unit in units)
    small = ", ".join(room.service for room in found if room.lacks)
    if reason:
        return Compared(found, FreeholdError("cluster_nodes_unknown", reason=reason))
    if small:
        return Compared(found, FreeholdError("cluster_nodes_too_small", services=small, table=_table(found)))
    return Compared(found, None)


def quantity(text: str) -> float:
    """A number as Kubernetes writes it: 250m, 64Gi, 8. Raises ValueError.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    parts = _QUANTITY.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text} is no quantity")
    base = 1024.0 if parts[2].endswith("i") else 1000.0
    return float(parts[1]) * base ** _POWERS[parts[2].rstrip("i")]


def _room(unit: Unit, given: Mapping[str, Mapping[str, float]]) -> Room:
    asks = {name: quantity(str(amount)) for name, amount in resources(unit)["requests"].items()}

    def lacks(node: str) -> tuple[str, ...]:
        return tuple(name for name, amount in asks.items() if given[node].get(name, 0.0) < amount)

    if not given:
        return Room(unit.name, asks, "", {}, ())
    node = min(given, key=lambda node: (len(lacks(node)), -given[node].get("memory", 0.0), node))
    return Room(unit.name, asks, node, given[node], lacks(node))


def _given(node: Node) -> Mapping[str, float]:
    """What it gives to pods; what is no number is nothing that a service asks for."""
    allocatable = (node.status.allocatable if node.status else None) or {}
    return {name: quantity(amount) for name, amount in allocatable.items() if _QUANTITY.fullmatch(amount)}


def _table(found: Sequence[Room]) -> str:
    return "\n".join(room.text for room in found)


def _name(node: Node) -> str:
    return (node.metadata.name if node.metadata else None) or "-"


def _told(amounts: Mapping[str, float]) -> str:
    """`0.25 cpu, 3,300 MiB memory, 2 nvidia.com/gpu`."""
    return ", ".join(
        f"{amount / _MIB:,.0f} MiB {name}" if name == "memory" else f"{amount:g} {name}"
        for name, amount in amounts.items()
    )
