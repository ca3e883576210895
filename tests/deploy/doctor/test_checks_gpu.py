"""Checks of NVIDIA's driver, CUDA and the container toolkit."""

import dataclasses

from freehold.deploy.doctor import checks_gpu as checks
from freehold.deploy.doctor.profile import PROFILES
from tests.deploy.doctor.known import RECOMMENDED, bare, machine, only

GPUS = dataclasses.replace(RECOMMENDED, gpu="needed")
CARD = {"driver": "550.54.15", "cuda": "12.4", "gpus": [{"name": "NVIDIA A100"}]}


def test_a_machine_without_gpus_is_fine_unless_they_are_needed() -> None:
    """Skipped, or failed with the way to get them into a container."""
    for checking in checks.CHECKS:
        assert only(checking, machine("openeuler-22.03")).status == "skip"
    lacking = only(checks.driver, machine("openeuler-22.03"), GPUS)
    assert (lacking.status, "docker run --gpus all" in lacking.fix.en) == ("fail", True)


def test_a_driver_is_told_with_its_cards() -> None:
    """Two of them."""
    check = only(checks.driver, machine("ubuntu-22.04-a100"), GPUS)
    assert (check.status, check.found.en) == ("ok", "550.54.15: NVIDIA A100-SXM4-80GB, NVIDIA A100-SXM4-80GB")


def test_a_driver_that_shows_no_card_is_told_with_its_words() -> None:
    """Needed, it fails; else it warns."""
    torn = bare(nvidia={"driver": "535.183.01", "gpus": [], "trouble": "Driver/library version mismatch"})
    assert only(checks.driver, torn).status == "warn"
    check = only(checks.driver, torn, GPUS)
    assert (check.status, "version mismatch" in check.found.en, "Restart" in check.fix.en) == ("fail", True, True)


def test_a_toolkit_newer_than_the_driver_runs_is_a_warning() -> None:
    """What it compiles would not start here."""
    assert only(checks.cuda, bare(nvidia=CARD, nvcc="12.4")).status == "ok"
    assert only(checks.cuda, bare(nvidia=CARD)).found.en == "the driver runs 12.4"
    newer = only(checks.cuda, bare(nvidia=CARD, nvcc="13.0"))
    assert (newer.status, newer.found.en) == ("warn", "the driver runs 12.4, nvcc is 13.0")
    assert only(checks.cuda, bare(nvidia={"driver": "535.1"})).found.en == "unknown"


def test_docker_wants_the_container_toolkit_for_gpus() -> None:
    """By its program or by Docker's runtime; in a container it is the host's affair, on a cluster the nodes'."""
    assert only(checks.toolkit, machine("ubuntu-22.04-a100")).found.en == "1.15.0"
    assert only(checks.toolkit, machine("ubuntu-22.04-a100", nvidia_toolkit=None)).status == "ok"
    assert only(checks.toolkit, machine("ubuntu-20.04-t4")).status == "warn"
    missing = only(checks.toolkit, machine("ubuntu-20.04-t4"), GPUS)
    assert (missing.status, "nvidia-ctk runtime configure" in missing.fix.en) == ("fail", True)
    assert only(checks.toolkit, bare(nvidia=CARD, container={"inside": True}), GPUS).status == "skip"
    cluster = dataclasses.replace(PROFILES["cluster"], gpu="needed")
    assert only(checks.toolkit, bare(), cluster).status == "skip"
