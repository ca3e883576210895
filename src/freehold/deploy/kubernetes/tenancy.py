"""What an administrator makes once for a tenant: the namespace, and the accounts with their rights.

Whoever deploys needs no more than the Role; the pods of a deployment have an account that may do nothing.
"""

from collections.abc import Iterator

from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.dify.environment import dify_secrets
from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.kubernetes.dify.security import standard
from freehold.deploy.kubernetes.naming import (
    ACCOUNT,
    DEPLOYER,
    MANAGED_BY,
    PART_OF,
    Tree,
    namespace_of,
    of_deployment,
    secret_of,
)
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.service import Installation

_STANDARD = "pod-security.kubernetes.io"
_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "patch", "delete"]


def foundation(deployment: Deployment) -> Iterator[Tree]:
    """The namespace, in which only pods of PodSecurity `restricted` start, and the accounts.

    With a Dify, some of whose images do not start under that, what they need is let in, and what is more is told.
    """
    name, dify = namespace_of(deployment), dify_of(deployment)
    labels = {f"{_STANDARD}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    if dify is not None:
        labels[f"{_STANDARD}/enforce"] = standard(dify)
    labels |= {PART_OF: deployment.name, MANAGED_BY: "freehold"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    for account in (ACCOUNT, DEPLOYER):
        yield of_deployment(deployment, "v1", "ServiceAccount", account, automountServiceAccountToken=False)
    api = "rbac.authorization.k8s.io"
    yield of_deployment(deployment, f"{api}/v1", "Role", DEPLOYER, rules=list(_rules(deployment, dify)))
    yield of_deployment(
        deployment,
        f"{api}/v1",
        "RoleBinding",
        DEPLOYER,
        roleRef={"apiGroup": api, "kind": "Role", "name": DEPLOYER},
        subjects=[{"kind": "ServiceAccount", "name": DEPLOYER, "namespace": name}],
    )


def _rules(deployment: Deployment, dify: Installation | None) -> Iterator[Tree]:
    """All that `freehold deploy` does in the namespace, and nothing beside: it reads no secret but the deployment's."""
    yield _rule("", ["configmaps", "services"], _WRITE)
    yield _rule("", ["persistentvolumeclaims"], ["get", "create", "patch"])  # model files are nobody's to delete
    yield _rule("apps", ["deployments", *(["statefulsets"] if dify else [])], _WRITE)
    yield _rule("batch", ["jobs"], _WRITE)
    yield _rule("autoscaling", ["horizontalpodautoscalers"], _WRITE)
    yield _rule("policy", ["poddisruptionbudgets"], _WRITE)
    yield _rule("networking.k8s.io", ["networkpolicies", "ingresses"], _WRITE)
    if deployment.settings.ingress is not None and deployment.settings.ingress.ingress_class == "traefik":
        yield _rule("traefik.io", ["middlewares"], _WRITE)
    if deployment.settings.monitoring.operator:
        yield _rule("monitoring.coreos.com", ["servicemonitors"], _WRITE)
    # why a rollout does not go on; an annotation makes the gateway's pods look at their configuration at once
    yield _rule("", ["pods"], [*_READ, "patch"])
    yield _rule("", ["pods/log"], ["get"])
    yield _rule("", ["events"], _READ)
    # whose turn it is to deploy, and whether an administrator has made the accounts
    yield _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"])
    yield _rule("", ["serviceaccounts"], ["get"], [ACCOUNT])
    # a right to create knows no names
    yield _rule("", ["secrets"], ["create"])
    own = [secret_of(secret) for secret in secrets_of(deployment)]
    # Dify's own are read again for `freehold dify connect` and are not `down`'s to delete: data is locked by them
    theirs = [SECRETS, *(secret_of(secret) for secret in dify_secrets(dify))] if dify else []
    yield _rule("", ["secrets"], ["get", "patch"], [*own, *theirs])
    # `down` takes along what the deployment made itself
    yield _rule("", ["secrets"], ["delete"], [secret_of(secret) for secret in made_secrets(deployment)])
    # goldens are asked of the gateway before its weights move, and each of its copies whether it has the new ones
    yield _rule("", ["services/proxy"], ["get", "create"], [f"{GATEWAY}:http", f"https:{GATEWAY}:http"])
    yield _rule("", ["pods/proxy"], ["get"])


def secrets_of(deployment: Deployment) -> tuple[SecretFile, ...]:
    """All that the services of `deployment` read, each once."""
    units = (deployment.gateway, *deployment.units)
    return tuple(dict.fromkeys(secret for unit in units for secret in unit.secrets))


def made_secrets(deployment: Deployment) -> tuple[SecretFile, ...]:
    """Those that the deployment makes itself: nobody has them from elsewhere."""
    return tuple(secret for secret in secrets_of(deployment) if not secret.origin)


def _rule(group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Tree:
    rule: Tree = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return rule | {"resourceNames": names} if names else rule
