"""How objects are called and labelled: whatever selects pods asks for what stands here."""

import re
from typing import Any

from freehold.config.labels import GATEWAY, LONGEST
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile, Unit
from freehold.errors import FreeholdError

Tree = dict[str, Any]

ACCOUNT = "freehold"
"""The ServiceAccount of every pod: it may do nothing."""
DEPLOYER = "freehold-deployer"
"""The ServiceAccount, Role and RoleBinding of whoever runs `freehold deploy`."""

NAME, INSTANCE, VERSION, COMPONENT, PART_OF, MANAGED_BY = (
    f"app.kubernetes.io/{word}" for word in ("name", "instance", "version", "component", "part-of", "managed-by")
)
WORKLOAD = "freehold.workload"
"""The label of pods that tells apart the Deployments of one unit: the Deployment's name."""
SECRET_KEY = "value"  # noqa: S105 - where it lies, not what it is
"""The key of every Secret: each holds one."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def service_of(unit: Unit) -> str:
    """The name of a unit's Service, Deployment and ConfigMap: the gateway has one for all its versions."""
    return GATEWAY if unit.role == "gateway" else unit.host


def namespace_of(deployment: Deployment) -> str:
    """Where everything of `deployment` lies: one namespace a deployment, so one a tenant.

    Raises FreeholdError `kubernetes_name` for what cannot be a namespace or a label.
    """
    settings = deployment.settings
    for key, value in (("deploy.namespace", settings.namespace or settings.name), ("deploy.name", deployment.name)):
        if not _LABEL.fullmatch(value):
            raise FreeholdError("kubernetes_name", key=key, value=value)
    return settings.namespace or settings.name


def further(unit: Unit, what: str) -> str:
    """The name of something more of this version of a unit, `NAME-REVISION-WHAT`, within the 63 letters of a label."""
    room = LONGEST - len(what) - 1
    return f"{unit.name[:room].rstrip('-')}-{unit.revision}-{what}"


def secret_of(secret: SecretFile) -> str:
    """The name of the Secret object that holds `secret` under SECRET_KEY."""
    return f"freehold-{secret.name}"


def config_key(path: str) -> str:
    """The key of a ConfigMap for a file at `path` in the container."""
    return path.strip("/").replace("/", ".")


def pod_selector(unit: Unit) -> Tree:
    """The labels that all pods of this version of `unit` have, and no others; of the gateway: of any version."""
    return {INSTANCE: service_of(unit)}


def pod_labels(deployment: Deployment, unit: Unit) -> Tree:
    """Of pods. Nothing of the gateway's revision: pods that need not change stay when its configuration does."""
    labels = {NAME: unit.name, INSTANCE: service_of(unit), COMPONENT: unit.role, PART_OF: deployment.name}
    if unit.role != "gateway":
        labels[VERSION] = unit.revision
    return labels


def of_deployment(deployment: Deployment, api: str, kind: str, name: str, **rest: Any) -> Tree:
    """An object that belongs to the deployment as a whole; `rest` are its fields beside the metadata."""
    labels = {PART_OF: deployment.name, MANAGED_BY: "freehold"}
    metadata = {"name": name, "namespace": namespace_of(deployment), "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def of_unit(deployment: Deployment, unit: Unit, api: str, kind: str, name: str = "", **rest: Any) -> Tree:
    """An object that belongs to one version of a unit, and is called `service_of(unit)` unless it says otherwise."""
    labels = pod_labels(deployment, unit) | {VERSION: unit.revision, MANAGED_BY: "freehold"}
    metadata = {"name": name or service_of(unit), "namespace": namespace_of(deployment), "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}
