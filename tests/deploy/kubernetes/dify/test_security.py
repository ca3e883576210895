"""What pods of a Dify may do."""

import pytest

from freehold.deploy.kubernetes.dify.security import pod_security, standard, standard_of
from freehold.deploy.topology.service import Installation, Service
from tests.deploy.kubernetes.dify.cases import CASES, dify, of_kind, pods_by_service


@pytest.mark.parametrize("case", CASES)
def test_all_pods_but_a_few_are_restricted(case: str) -> None:
    """And the namespace lets in no more than these few need, and tells of them."""
    wide = {service.name for service in dify(case).services if standard_of(service) != "restricted"}
    assert wide <= {"sandbox", "plugin_daemon", "weaviate", "qdrant"}
    labels = of_kind(case, "Namespace")["freehold"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == standard(dify(case)) == "baseline"
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"
    for name, spec in pods_by_service(case).items():
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert name in wide or spec["securityContext"]["runAsNonRoot"] is True
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert name == "sandbox" or "add" not in security["capabilities"]


def test_standards_follow_what_a_service_needs() -> None:
    """By PodSecurity's own lists."""
    assert standard_of(Service("a", "i:1", user="70:70")) == "restricted"
    assert standard_of(Service("a", "i:1", user="70:70", capabilities=("NET_BIND_SERVICE",))) == "restricted"
    assert standard_of(Service("a", "i:1", user="70:70", capabilities=("CHOWN",))) == "baseline"
    assert standard_of(Service("a", "i:1")) == standard_of(Service("a", "i:1", user="0:0")) == "baseline"
    assert standard_of(Service("a", "i:1", user="70:70", capabilities=("SYS_ADMIN",))) == "privileged"
    assert standard(Installation("1.15.0", (), ())) == "restricted"


def test_a_user_alone_is_its_own_group() -> None:
    """To which volumes belong."""
    assert pod_security(Service("a", "i:1", user="1001"))["fsGroup"] == 1001
