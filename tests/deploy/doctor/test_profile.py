"""The table of profiles."""

import dataclasses

from freehold.deploy.doctor.profile import PROFILES


def test_the_handbooks_requirements_are_the_recommended_ones() -> None:
    """8 cores, 32 GB, Docker 20.10, Kubernetes 1.22."""
    profile = PROFILES["recommended"]
    assert (profile.cores, profile.memory_gb) == (8, 32)
    assert (profile.docker_version, profile.kubernetes_version) == ("20.10", "1.22")


def test_every_profile_is_found_by_its_name() -> None:
    """And none asks for nothing."""
    assert list(PROFILES) == ["recommended", "minimal", "cluster", "edge"]
    for name, profile in PROFILES.items():
        assert profile.name == name
        assert all(value for value in dataclasses.astuple(profile))


def test_only_a_cluster_needs_kubernetes() -> None:
    """And it alone does not fail a small pod or desk for its size."""
    assert [name for name, profile in PROFILES.items() if profile.kubernetes == "needed"] == ["cluster"]
    assert [name for name, profile in PROFILES.items() if profile.size == "wished"] == ["cluster"]
