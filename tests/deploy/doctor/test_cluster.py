"""Checks of a Kubernetes cluster."""

import dataclasses
from typing import Any

import pytest

from freehold.deploy.doctor import cluster
from freehold.deploy.doctor.profile import PROFILES
from freehold.deploy.doctor.snapshot import Snapshot
from tests.deploy.doctor.known import RECOMMENDED, bare, only

CLUSTER = PROFILES["cluster"]
GPUS = dataclasses.replace(CLUSTER, gpu="needed")


def node(name: str = "n1", **changes: Any) -> dict[str, Any]:
    """A node that is ready."""
    return {"name": name, "ready": True, "architecture": "amd64", "allocatable": {"cpu": "8"}, **changes}


WHOLE: dict[str, Any] = {
    "cluster": {"server": "v1.31.4+k3s1", "context": "prod"},
    "cluster_storage": [{"name": "local-path", "default": True}],
    "cluster_ingress": [{"name": "nginx", "default": False}],
    "cluster_apis": ["apps/v1", "cert-manager.io/v1", "custom.metrics.k8s.io/v1beta1", "metrics.k8s.io/v1beta1"],
    "cluster_nodes": [node(allocatable={"cpu": "8", "nvidia.com/gpu": "2"}), node("n2")],
    "cluster_permissions": [{"verb": "create", "resource": "services", "allowed": True}],
}


def test_a_whole_cluster_is_fine() -> None:
    """Every check of it."""
    snapshot = bare(**WHOLE)
    checks = [only(checking, snapshot, GPUS) for checking in cluster.CHECKS]
    assert {check.status for check in checks} == {"ok"}
    assert only(cluster.plugin, snapshot, GPUS).found.en == "2 x nvidia.com/gpu"
    assert only(cluster.storage, snapshot).found.en == "local-path (default)"


def test_no_cluster_fails_only_where_one_is_needed() -> None:
    """One failure, which says why; the others are unknown."""
    none = Snapshot({}, {"cluster": "no kubectl on the PATH"})
    statuses = [only(checking, none, CLUSTER).status for checking in cluster.CHECKS]
    assert (statuses[0], set(statuses[1:])) == ("fail", {"skip"})
    assert "no kubectl on the PATH" in only(cluster.kubernetes, none, CLUSTER).found.en
    assert {only(checking, none, RECOMMENDED).status for checking in cluster.CHECKS} == {"skip"}


@pytest.mark.parametrize(
    ("server", "status"), [("v1.21.14-gke.2", "fail"), ("v1.22.0", "ok"), ("v1.9.1", "fail"), ("v2.0.0", "ok")]
)
def test_versions_are_numbers(server: str, status: str) -> None:
    """1.9 is older than 1.22."""
    assert only(cluster.kubernetes, bare(cluster={"server": server}), CLUSTER).status == status


@pytest.mark.parametrize(
    ("fact", "value", "checking", "status", "found"),
    [
        ("cluster_nodes", [], cluster.nodes, "fail", "0 of 0 ready (-)"),
        ("cluster_nodes", [node(ready=False), node("n2")], cluster.nodes, "warn", "1 of 2 ready (amd64)"),
        ("cluster_nodes", [node(architecture="s390x")], cluster.nodes, "fail", "0 of 1 ready (s390x)"),
        ("cluster_nodes", [node()], cluster.plugin, "fail", "none"),
        ("cluster_storage", [{"name": "nfs", "default": False}], cluster.storage, "warn", "nfs"),
        ("cluster_ingress", [], cluster.ingress, "warn", "none"),
        ("cluster_apis", ["apps/v1"], cluster.certificates, "warn", "none"),
        ("cluster_apis", ["metrics.k8s.io/v1beta1"], cluster.metrics, "warn", "only metrics.k8s.io/v1beta1"),
        ("cluster_apis", ["apps/v1"], cluster.metrics, "warn", "none"),
        (
            "cluster_permissions",
            [{"verb": "create", "resource": "secrets", "allowed": False}],
            cluster.permissions,
            "fail",
            "not allowed: create secrets",
        ),
    ],
)
def test_what_lacks_is_told(fact: str, value: Any, checking: Any, status: str, found: str) -> None:
    """With its fix, in both languages."""
    check = only(checking, bare(**{**WHOLE, fact: value}), GPUS)
    assert (check.status, check.found.en) == (status, found)
    assert check.fix.en
    assert check.fix.zh
