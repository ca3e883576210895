"""Checks of the system."""

import pytest

from freehold.deploy.doctor import checks_system as checks
from freehold.deploy.doctor.profile import PROFILES
from tests.deploy.doctor.known import bare, machine, only


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ubuntu-20.04-t4", "ok"),
        ("ubuntu-22.04-a100", "ok"),
        ("centos-7", "warn"),
        ("kylin-v10-arm64", "warn"),
        ("openeuler-22.03", "warn"),
    ],
)
def test_a_linux_that_is_not_listed_is_a_warning(name: str, status: str) -> None:
    """The handbook's releases of Ubuntu are preferred."""
    check = only(checks.release, machine(name))
    assert check.status == status
    assert check.needed.en == "Ubuntu 20.04, 22.04"


def test_another_system_is_a_failure() -> None:
    """Named as it names itself; one without a name at all is a warning, since it is Linux."""
    check = only(checks.release, bare(os={"system": "Darwin"}))
    assert (check.status, check.found.en, check.needed.en) == ("fail", "Darwin", "Linux")
    assert only(checks.release, bare(os={"system": "Linux"})).status == "warn"


@pytest.mark.parametrize(
    ("release", "status"),
    [("5.4.0-80-generic", "ok"), ("4.18.0-553.el8", "ok"), ("3.10.0-1160.el7", "warn"), ("2.6.32-754", "fail")],
)
def test_an_old_kernel_warns_before_it_fails(release: str, status: str) -> None:
    """Docker itself starts at 3.10."""
    assert only(checks.kernel, bare(kernel=release)).status == status


@pytest.mark.parametrize(
    ("version", "profile", "status"),
    [("v1", "recommended", "ok"), ("hybrid", "edge", "ok"), ("v1", "cluster", "warn"), ("v2", "cluster", "ok")],
)
def test_version_1_of_control_groups_is_enough_but_for_kubernetes(version: str, profile: str, status: str) -> None:
    """Which only maintains it."""
    assert only(checks.cgroups, bare(cgroups=version), PROFILES[profile]).status == status


def test_an_old_python_matters_where_there_is_no_image() -> None:
    """With Docker, or on a cluster, Freehold brings its own; an old C library counts like an old Python."""
    old = {"version": "3.8.10"}
    assert only(checks.python, bare(python=old)).status == "warn"
    assert only(checks.python, bare(python=old, docker={"server": "24.0.1"})).status == "ok"
    assert only(checks.python, bare(python=old), PROFILES["cluster"]).status == "ok"
    new = {"version": "3.12.1"}
    assert only(checks.python, bare(python=new, os={"libc": "glibc 2.35"})).found.en == "3.12.1, glibc 2.35"
    assert only(checks.python, bare(python=new, os={"libc": "glibc 2.17"})).status == "warn"


def test_docker_is_needed_in_its_version() -> None:
    """19.03 is too old, none is none; the fix is the distribution's own line where it has one."""
    assert only(checks.docker, machine("ubuntu-20.04-t4")).found.en == "20.10.21"
    assert only(checks.docker, machine("centos-7")).status == "fail"
    edge = only(checks.docker, machine("edge-arm64"), PROFILES["edge"])
    assert (edge.status, edge.fix.en) == ("warn", "Install it: `sudo apt-get install -y docker.io`.")
    assert "docker-ce" in only(checks.docker, machine("openeuler-22.03")).fix.en
    assert only(checks.docker, machine("edge-arm64"), PROFILES["cluster"]).status == "skip"


def test_a_daemon_that_does_not_answer_has_a_fix_of_its_own() -> None:
    """One for a user without the right, one for a daemon that is not started."""
    refused = only(checks.docker, machine("kylin-v10-arm64"))
    assert (refused.status, "usermod -aG docker" in refused.fix.en) == ("fail", True)
    stopped = {"client": "24.0.9", "trouble": "Cannot connect to the Docker daemon"}
    assert "systemctl enable --now docker" in only(checks.docker, bare(docker=stopped)).fix.en


def test_in_a_container_docker_is_nothing_to_ask_for() -> None:
    """Unless it was handed in."""
    assert only(checks.docker, machine("pod-512mb")).status == "skip"
    assert only(checks.compose, machine("pod-512mb")).status == "skip"
    handed = machine("pod-512mb", docker={"server": "26.1.3"}, compose={"v2": "2.27.0"})
    assert only(checks.docker, handed).status == only(checks.compose, handed).status == "ok"


@pytest.mark.parametrize(
    ("found", "status"),
    [({"v2": "2.27.0"}, "ok"), ({"v1": "1.29.2"}, "ok"), ({"v1": "1.25.0"}, "fail"), ({}, "fail")],
)
def test_compose_is_version_2_or_a_late_version_1(found: dict[str, str], status: str) -> None:
    """1.28 is the first that knows GPUs."""
    assert only(checks.compose, bare(compose=found)).status == status


@pytest.mark.parametrize(
    ("facts", "status", "found"),
    [
        ({"clock": {"synchronised": True}}, "ok", "synchronised"),
        ({"clock": {"synchronised": False}}, "warn", "not synchronised"),
        ({"registry": {"skew_s": -7}}, "warn", "-7.0 s from the registry's"),
        (
            {"clock": {"synchronised": True}, "registry": {"skew_s": 400}},
            "fail",
            "synchronised, +400.0 s from the registry's",
        ),
        ({}, "skip", "unknown: -"),
    ],
)
def test_a_clock_is_judged_by_itself_and_by_the_registrys(facts: dict[str, object], status: str, found: str) -> None:
    """Minutes apart, certificates fail."""
    check = only(checks.clock, bare(**facts))
    assert (check.status, check.found.en) == (status, found)
