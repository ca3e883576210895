"""The limits of a container: CPU time and memory of the control groups that this process is in, versions 1 and 2.

A limit may stand on the process's own group or on any group above it, so each reader walks up to the mount and takes
the tightest. Inside a container the path in /proc/self/cgroup may be the host's; then only the mount itself exists, and
it is the container's group.

Formats: https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
UNLIMITED_V1 = 1 << 60  # version 1 writes "no limit" as the largest multiple of the page size


@dataclass(frozen=True)
class Membership:
    """The groups of a process: `unified` is its version 2 path, `controllers` the path of each version 1 controller."""

    unified: str | None
    controllers: dict[str, str]


def parse_membership(text: str) -> Membership:
    """Read /proc/PID/cgroup: lines of "hierarchy:controller,controller:path", the unified one as "0::path"."""
    unified: str | None = None
    controllers: dict[str, str] = {}
    for line in text.splitlines():
        number, names, path = line.split(":", 2)
        if number == "0" and not names:
            unified = path
        for name in filter(None, names.split(",")):
            controllers[name] = path
    return Membership(unified, controllers)


def parse_cpu_max(text: str) -> float | None:
    """CPUs that `cpu.max` grants ("150000 100000" is 1.5), or None for "max"."""
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def parse_cfs_quota(quota_us: str, period_us: str) -> float | None:
    """CPUs that `cpu.cfs_quota_us` and `cpu.cfs_period_us` grant, or None for a quota of -1."""
    quota, period = int(quota_us), int(period_us)
    return None if quota < 0 or period <= 0 else quota / period


def parse_limit(text: str) -> int | None:
    """Bytes of a memory limit, or None for "max" and for version 1's huge number."""
    value = text.strip()
    return None if value == "max" or int(value) >= UNLIMITED_V1 else int(value)


def parse_stat(text: str, field: str) -> int:
    """One field of `memory.stat` in bytes; 0 when it is not there."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == field:
            return int(value)
    return 0


def cpu_quota(membership: Membership, mount: Path = MOUNT) -> float | None:
    """CPUs that the groups of this process may use, or None without a quota."""
    quotas = []
    for group in _groups(membership, "cpu", mount):
        if (text := _read(group / "cpu.max")) is not None:
            quotas.append(parse_cpu_max(text))
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
        if quota is not None and period is not None:
            quotas.append(parse_cfs_quota(quota, period))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_left(membership: Membership, mount: Path = MOUNT) -> tuple[int, int] | None:
    """(limit, left) in bytes of the group with the least left, or None without a limit.

    What the kernel can drop at once (clean page cache: `inactive_file`) counts as left.
    """
    found = []
    for group in _groups(membership, "memory", mount):
        for limit_file, usage_file, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit_text, usage_text = _read(group / limit_file), _read(group / usage_file)
            limit = parse_limit(limit_text) if limit_text is not None else None
            if limit is not None and usage_text is not None:
                used = int(usage_text) - parse_stat(_read(group / "memory.stat") or "", cache)
                found.append((limit, max(0, limit - max(0, used))))
    return min(found, key=lambda pair: pair[1], default=None)


def _groups(membership: Membership, controller: str, mount: Path) -> Iterator[Path]:
    """Folders of the groups that may limit `controller`, from the process's own up to the mount."""
    trees = []
    if controller in membership.controllers:
        trees.append((_mount_of(controller, mount), membership.controllers[controller]))
    elif membership.unified is not None:
        trees.append((mount, membership.unified))
    for top, path in trees:
        inside = top / path.strip("/")
        for folder in (inside, *inside.parents):
            if folder.is_dir():
                yield folder
            if folder == top:
                break


def _mount_of(controller: str, mount: Path) -> Path:
    """The version 1 hierarchy of `controller`, also when it is mounted together with another ("cpu,cpuacct")."""
    alone = mount / controller
    if alone.is_dir():
        return alone
    joint = (folder for folder in sorted(mount.glob("*,*")) if controller in folder.name.split(","))
    return next(joint, alone)


def _read(path: Path) -> str | None:
    """The text of a control file; None when this kernel or container does not show it."""
    try:
        return path.read_text()
    except OSError:
        return None
