"""What an administrator makes once for a tenant: the namespace, and the accounts with their rights.

Whoever deploys needs no more than the Role; the pods of a deployment have an account that may do nothing.
"""

from collections.abc import Iterator

from freehold.deploy.deployment import Deployment
from freehold.deploy.kubernetes.naming import (
    ACCOUNT,
    DEPLOYER,
    GATEWAY,
    MANAGED_BY,
    PART_OF,
    Tree,
    namespace_of,
    of_deployment,
    secret_of,
)
from freehold.deploy.secret_files import ACCESS, INTERNAL

_STANDARD = "pod-security.kubernetes.io"
_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "patch", "delete"]


def foundation(deployment: Deployment) -> Iterator[Tree]:
    """The namespace, in which only pods of PodSecurity `restricted` start, and the accounts."""
    name = namespace_of(deployment)
    labels = {f"{_STANDARD}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    labels |= {PART_OF: deployment.name, MANAGED_BY: "freehold"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    for account in (ACCOUNT, DEPLOYER):
        yield of_deployment(deployment, "v1", "ServiceAccount", account, automountServiceAccountToken=False)
    api = "rbac.authorization.k8s.io"
    yield of_deployment(deployment, f"{api}/v1", "Role", DEPLOYER, rules=list(_rules(deployment)))
    yield of_deployment(
        deployment,
        f"{api}/v1",
        "RoleBinding",
        DEPLOYER,
        roleRef={"apiGroup": api, "kind": "Role", "name": DEPLOYER},
        subjects=[{"kind": "ServiceAccount", "name": DEPLOYER, "namespace": name}],
    )


def _rules(deployment: Deployment) -> Iterator[Tree]:
    """All that `freehold deploy` does in the namespace, and nothing beside: it reads no secret that is not its own."""
    yield _rule("", ["configmaps", "services", "persistentvolumeclaims"], _WRITE)
    yield _rule("apps", ["deployments"], _WRITE)
    yield _rule("batch", ["jobs"], _WRITE)
    yield _rule("autoscaling", ["horizontalpodautoscalers"], _WRITE)
    yield _rule("policy", ["poddisruptionbudgets"], _WRITE)
    yield _rule("networking.k8s.io", ["networkpolicies", "ingresses"], _WRITE)
    if deployment.settings.ingress is not None and deployment.settings.ingress.ingress_class == "traefik":
        yield _rule("traefik.io", ["middlewares"], _WRITE)
    if deployment.settings.monitoring.operator:
        yield _rule("monitoring.coreos.com", ["servicemonitors"], _WRITE)
    # why a rollout does not go on
    yield _rule("", ["pods", "pods/log", "events"], _READ)
    yield _rule("apps", ["replicasets"], _READ)
    # its own secrets; a right to create knows no names
    yield _rule("", ["secrets"], ["create"])
    yield _rule("", ["secrets"], ["get", "patch"]) | {"resourceNames": _secrets(deployment)}
    # every copy of the gateway is asked what it serves by, and nudged to read its file again
    yield _rule("", ["pods/proxy"], ["get"])
    yield _rule("", ["pods"], ["patch"])
    # one deploy at a time
    yield _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"])
    # goldens are asked of the gateway before its weights move
    yield _rule("", ["services/proxy"], ["get", "create"]) | {
        "resourceNames": [GATEWAY, f"{GATEWAY}:http", f"http:{GATEWAY}:http", f"https:{GATEWAY}:http"]
    }


def _secrets(deployment: Deployment) -> list[str]:
    """The names of all that pods read, and of what a deployment may make for itself later."""
    units = (*deployment.units, deployment.gateway)
    used = (secret for unit in units for secret in unit.secrets)
    return sorted({secret_of(secret) for secret in (INTERNAL, ACCESS, *used)})


def _rule(group: str, resources: list[str], verbs: list[str]) -> Tree:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
