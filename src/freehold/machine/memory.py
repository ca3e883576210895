"""Memory that this process may still take: the machine's, or its container's when that is less."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freehold.machine.cgroup import memory_left, parse_membership

MEMINFO = Path("/proc/meminfo")
SELF_CGROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Memory:
    """In bytes. `total` is the machine's or the container's limit, `available` what can be taken without swapping."""

    total: int
    available: int


def parse_meminfo(text: str) -> Memory:
    """Read the text of /proc/meminfo."""
    kib = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in {"MemTotal", "MemAvailable"}:
            kib[name] = int(rest.split()[0])
    return Memory(kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024)


def within(machine: Memory, group: tuple[int, int] | None) -> Memory:
    """`machine` under the (limit, left) of a control group; None is no limit."""
    if group is None:
        return machine
    limit, left = group
    return Memory(min(machine.total, limit), min(machine.available, left))


def read_memory() -> Memory:
    """Memory of this machine or container, now."""
    return within(parse_meminfo(MEMINFO.read_text()), memory_left(parse_membership(SELF_CGROUP.read_text())))
