"""What each kind of machine has to have: the requirements as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator

from freehold.deploy.doctor.check import Check, Level
from freehold.deploy.doctor.snapshot import Snapshot


@dataclass(frozen=True)
class Profile:
    """The requirements of one kind of machine. Memory and disk in GB (10^9), /dev/shm in MB (10^6)."""

    name: str
    cores: int
    memory_gb: float
    disk_gb: float
    disk_mb_s: float
    """How fast weights are read when a model starts; slower is a warning."""
    docker: Level
    gpu: Level
    """`needed` where the configuration has models with `device: cuda` or `gpus`."""
    kubernetes: Level
    size: Level = "needed"
    """Cores, memory and disk; only wished for on a cluster, whose nodes have them, not the pod or desk that asks."""
    open_files: int = 4096
    shm_mb: float = 64
    docker_version: str = "20.10"
    kubernetes_version: str = "1.22"


RECOMMENDED = Profile("recommended", 8, 32, 50, 200, docker="needed", gpu="unasked", kubernetes="unasked")
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        RECOMMENDED,
        Profile("minimal", 2, 4, 10, 50, docker="wished", gpu="unasked", kubernetes="unasked"),
        Profile("cluster", 8, 32, 50, 200, docker="unasked", gpu="unasked", kubernetes="needed", size="wished"),
        Profile("edge", 2, 2, 5, 20, docker="wished", gpu="unasked", kubernetes="unasked", open_files=1024),
    )
}

Checking = Callable[[Snapshot, Profile], Iterator[Check]]
"""A pure function of a snapshot, which may lack anything, and a profile; it never raises."""
