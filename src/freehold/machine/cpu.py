"""The processor: its name, what it can compute, and how much of it this process may use."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from freehold.machine.cgroup import cpu_quota, parse_membership

CPUINFO = Path("/proc/cpuinfo")
SELF_CGROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Thread:
    """One logical processor of /proc/cpuinfo and the physical core that it runs on, as (package, core)."""

    number: int
    core: tuple[int, int]


@dataclass(frozen=True)
class CpuInfo:
    """What /proc/cpuinfo says. `flags` are the kernel's names: x86 "flags", Arm "Features"."""

    model: str
    flags: frozenset[str]
    threads: tuple[Thread, ...]


@dataclass(frozen=True)
class Cpu:
    """The processor as this process may use it."""

    architecture: str  # "x86_64", "aarch64"
    model: str
    flags: frozenset[str]
    logical: int  # processors that the affinity mask allows
    physical: int  # cores behind them
    quota: float | None  # CPUs of time that the control group grants; None without a limit

    @property
    def usable_cores(self) -> int:
        """Threads worth starting: cores within the quota, rounded down, since a throttled thread stalls its batch."""
        return self.physical if self.quota is None else max(1, min(self.physical, int(self.quota)))

    @property
    def avx2(self) -> bool:
        return "avx2" in self.flags

    @property
    def avx512(self) -> bool:
        return "avx512f" in self.flags

    @property
    def vnni(self) -> bool:
        """8-bit dot products, of x86 or of Arm (there: asimddp)."""
        return not self.flags.isdisjoint({"avx512_vnni", "avx_vnni", "asimddp"})

    @property
    def bf16(self) -> bool:
        """Dot products of bfloat16 in hardware, of x86 or of Arm."""
        return not self.flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})

    @property
    def amx(self) -> bool:
        return "amx_tile" in self.flags


def parse_cpuinfo(text: str) -> CpuInfo:
    """Read the text of /proc/cpuinfo, of x86 or Arm.

    Arm kernels tell no core ids, and a virtual machine may not either: then each processor is a core of its own.
    """
    blocks = [_fields(block) for block in text.split("\n\n") if block.strip()]
    threads = []
    for fields in blocks:
        if fields.get("processor", "").isdigit():
            number = int(fields["processor"])
            core = (int(fields.get("physical id", -1)), int(fields["core id"])) if "core id" in fields else (-1, number)
            threads.append(Thread(number, core))
    first = next((fields for fields in blocks if "flags" in fields or "Features" in fields), {})
    return CpuInfo(
        model=first.get("model name") or _arm_model(first),
        flags=frozenset((first.get("flags") or first.get("Features") or "").split()),
        threads=tuple(threads),
    )


def usable(info: CpuInfo, affinity: frozenset[int], quota: float | None, architecture: str) -> Cpu:
    """What of `info` a process with this affinity mask and quota may use; at least one core."""
    cores = {thread.core for thread in info.threads if thread.number in affinity}
    logical = len(affinity) or 1
    return Cpu(architecture, info.model, info.flags, logical, min(len(cores) or logical, logical), quota)


def read_cpu() -> Cpu:
    """The processor of this machine, as this process may use it."""
    return usable(
        parse_cpuinfo(CPUINFO.read_text()),
        frozenset(os.sched_getaffinity(0)),
        cpu_quota(parse_membership(SELF_CGROUP.read_text())),
        platform.machine(),
    )


def cpu_key(cpu: Cpu) -> str:
    """A name for what was computed or tuned for this kind of processor: architecture and a digest of model and flags.

    It does not change with load, affinity or quota; whoever depends on the number of cores adds it.
    """
    told = "\n".join([cpu.architecture, cpu.model, *sorted(cpu.flags)])
    return f"{cpu.architecture}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _arm_model(fields: dict[str, str]) -> str:
    """Arm kernels tell numbers instead of a name: implementer and part say which core it is."""
    if "CPU implementer" not in fields:
        return "unknown"
    return f"arm {fields['CPU implementer']} {fields.get('CPU part', '?')}"
