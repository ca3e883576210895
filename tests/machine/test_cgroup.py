"""Limits of control groups, from recorded files of both versions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.machine.cgroup import (
    Membership,
    cpu_quota,
    memory_left,
    parse_cfs_quota,
    parse_cpu_max,
    parse_limit,
    parse_membership,
    parse_stat,
)

GIB = 1 << 30


def lay(root: Path, files: dict[str, str]) -> Path:
    """Write control files under `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_membership_of_version_2_is_the_unified_path() -> None:
    """A systemd machine has one line."""
    assert parse_membership("0::/system.slice/freehold.service\n") == Membership("/system.slice/freehold.service", {})


def test_membership_of_version_1_names_each_controller() -> None:
    """Docker on an older kernel: one line a hierarchy, joint controllers on one, and an unused unified one."""
    text = "12:memory:/docker/ab12\n5:cpu,cpuacct:/docker/ab12\n1:name=systemd:/docker/ab12\n0::/system.slice\n"
    membership = parse_membership(text)
    assert membership.unified == "/system.slice"
    assert membership.controllers["memory"] == "/docker/ab12"
    assert membership.controllers["cpu"] == membership.controllers["cpuacct"] == "/docker/ab12"


def test_a_path_with_colons_stays_whole() -> None:
    """Only the first two colons of a line separate fields."""
    assert parse_membership("0::/a:b:c\n").unified == "/a:b:c"


@pytest.mark.parametrize(("text", "cpus"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("50000 100000", 0.5)])
def test_cpu_max_is_quota_over_period(text: str, cpus: float | None) -> None:
    """Version 2 writes quota and period on one line."""
    assert parse_cpu_max(text) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1\n", None), ("400000\n", 4.0)])
def test_cfs_quota_of_minus_one_is_no_limit(quota: str, cpus: float | None) -> None:
    """Version 1 writes two files."""
    assert parse_cfs_quota(quota, "100000\n") == cpus


@pytest.mark.parametrize(("text", "limit"), [("max\n", None), ("9223372036854771712\n", None), ("1073741824\n", GIB)])
def test_an_absent_limit_has_two_spellings(text: str, limit: int | None) -> None:
    """Version 2 says max; version 1 says the largest multiple of the page size."""
    assert parse_limit(text) == limit


@given(st.integers(min_value=0, max_value=(1 << 60) - 1))
def test_any_real_limit_is_read_as_it_stands(limit: int) -> None:
    """Below the spelling of no limit every number is one."""
    assert parse_limit(f"{limit}\n") == limit


def test_a_field_that_memory_stat_lacks_is_zero() -> None:
    """Kernels add fields over time."""
    assert parse_stat("anon 5\ninactive_file 4096\n", "inactive_file") == 4096
    assert parse_stat("anon 5\n", "inactive_file") == 0


def test_the_tightest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    """A pod's limit stands above the container's own group."""
    mount = lay(
        tmp_path,
        {"pods/pod1/cpu.max": "200000 100000", "pods/pod1/box/cpu.max": "max 100000", "pods/cpu.max": "1600000 100000"},
    )
    assert cpu_quota(Membership("/pods/pod1/box", {}), mount) == 2.0


def test_a_host_path_seen_from_inside_a_container_falls_back_to_the_mount(tmp_path: Path) -> None:
    """Without a cgroup namespace the path is the host's, while the mount already is the container's group."""
    mount = lay(tmp_path, {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "100000"})
    assert cpu_quota(Membership(None, {"cpu": "/docker/ab12", "cpuacct": "/docker/ab12"}), mount) == 1.5


def test_memory_left_of_version_2_adds_back_clean_cache(tmp_path: Path) -> None:
    """Inactive file pages are dropped before anything is killed."""
    files = {"memory.max": str(4 * GIB), "memory.current": str(3 * GIB), "memory.stat": f"inactive_file {GIB}"}
    assert memory_left(Membership("/", {}), lay(tmp_path, files)) == (4 * GIB, 2 * GIB)


def test_memory_left_of_version_1_uses_the_total_of_the_hierarchy(tmp_path: Path) -> None:
    """Version 1 counts its children under total_ names."""
    files = {
        "memory/memory.limit_in_bytes": str(2 * GIB),
        "memory/memory.usage_in_bytes": str(GIB),
        "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}",
    }
    assert memory_left(Membership(None, {"memory": "/"}), lay(tmp_path, files)) == (2 * GIB, 2 * GIB - GIB // 2)


def test_without_limits_there_is_none(tmp_path: Path) -> None:
    """A plain machine, and one whose kernel shows no control files at all."""
    assert cpu_quota(Membership("/", {}), lay(tmp_path, {"cpu.max": "max 100000"})) is None
    assert memory_left(Membership("/", {}), tmp_path) is None
    assert cpu_quota(Membership(None, {}), tmp_path / "absent") is None
