"""Checks of the machine's size."""

import pytest

from freehold.deploy.doctor import checks_machine as checks
from freehold.deploy.doctor.profile import PROFILES
from tests.deploy.doctor.known import bare, machine, only


def test_cores_are_those_of_the_container() -> None:
    """A quota below the machine's counts; physical cores are told beside logical ones."""
    pod = only(checks.cores, machine("pod-512mb"))
    assert (pod.status, pod.found.en, pod.needed.en) == ("fail", "0.5 of 16 (the container's limit)", "8")
    assert only(checks.cores, machine("pod-512mb"), PROFILES["cluster"]).status == "warn"
    assert only(checks.cores, machine("ubuntu-20.04-t4")).found.en == "8 (4 physical)"


@pytest.mark.parametrize(("total", "status"), [(32e9, "ok"), (29e9, "ok"), (28e9, "fail"), (0.5e9, "fail")])
def test_memory_is_nearly_what_a_machine_is_sold_with(total: float, status: str) -> None:
    """Firmware and kernel keep a tenth at most."""
    assert only(checks.memory, bare(memory={"total": total})).status == status


def test_memory_is_the_containers_limit() -> None:
    """Not the machine's."""
    check = only(checks.memory, machine("pod-512mb"), PROFILES["edge"])
    assert (check.status, check.found.zh) == ("fail", "0.5 GB / 67.4 GB（容器限额）")


def test_disk_is_room_that_can_be_written() -> None:
    """A folder of root's is a warning with the line that hands it over."""
    assert only(checks.disk_space, machine("centos-7")).status == "fail"
    assert only(checks.disk_space, machine("centos-7"), PROFILES["minimal"]).status == "ok"
    unwritable = only(checks.disk_space, machine("pod-512mb"))
    assert unwritable.status == "warn"
    assert "sudo chown -R 10001:10001 /app/data" in unwritable.fix.en


def test_a_disk_is_as_fast_as_it_reads() -> None:
    """Writing stands in where reading is not told."""
    assert only(checks.disk_speed, machine("ubuntu-20.04-t4")).status == "warn"
    assert only(checks.disk_speed, bare(disk_speed={"write_mb_s": 300})).status == "ok"
    assert only(checks.disk_speed, bare()).status == "skip"


@pytest.mark.parametrize(
    ("architecture", "flags", "status", "said"),
    [
        ("x86_64", ["avx2"], "ok", "avx2: fp32 at full speed; no vnni: int8 saves memory more than time"),
        ("x86_64", ["avx2", "avx_vnni"], "ok", "avx2: fp32 at full speed; avx_vnni: int8 pays off"),
        (
            "x86_64",
            ["avx2", "avx512f", "avx512_vnni", "amx_int8", "amx_bf16"],
            "ok",
            "avx512f: fp32 at full speed; amx_int8: int8 pays off; amx_bf16: bf16 encoders up to twice as fast",
        ),
        ("x86_64", ["sse2"], "warn", "no avx2: several times slower in every precision"),
        ("aarch64", ["asimd"], "warn", "neon: fp32 at full speed; no asimddp: int8 saves memory more than time"),
        (
            "aarch64",
            ["asimddp", "i8mm", "sve", "bf16"],
            "ok",
            "sve: fp32 at full speed; i8mm: int8 pays off; bf16 in hardware",
        ),
        ("loongarch64", [], "fail", "no ONNX Runtime is built for it"),
    ],
)
def test_vector_instructions_say_what_is_fast(architecture: str, flags: list[str], status: str, said: str) -> None:
    """Of x86-64 and 64-bit Arm; others have no runtime."""
    check = only(checks.features, bare(cpu={"architecture": architecture, "model": "CPU", "flags": flags}))
    assert (check.status, check.found.en) == (status, f"CPU ({architecture}): {said}")


def test_limits_of_descriptors_and_shared_memory() -> None:
    """No limit is told as -1."""
    assert only(checks.open_files, bare(limits={"open_files": 1024})).status == "warn"
    assert only(checks.open_files, bare(limits={"open_files": 1024}), PROFILES["edge"]).status == "ok"
    assert only(checks.open_files, bare(limits={"open_files": -1})).found.en == "unlimited"
    assert only(checks.shm, bare(shm={"total": 67_108_864})).status == "ok"
    assert only(checks.shm, bare(shm={"total": 1_048_576})).status == "warn"
