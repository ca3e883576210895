"""How the objects of a Dify are called and labelled: whatever selects its pods asks for what stands here.

They are no part of the deployment of the models: a rollout of these counts and stops what is labelled as theirs.
"""

from typing import Any

from freehold.deploy.kubernetes.naming import (
    COMPONENT,
    INSTANCE,
    MANAGED_BY,
    NAME,
    PART_OF,
    VERSION,
    Tree,
    namespace_of,
)
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service

DIFY = "dify"
"""What all its objects are part of."""
SECRETS = "dify-secrets"
"""The Secret with all that a Dify's deployment made, each under its own name."""
OURS = {PART_OF: DIFY, MANAGED_BY: "freehold"}


def host_of(name: str) -> str:
    """The name by which others reach a service of the topology: `db_postgres` is `dify-db-postgres`."""
    return f"{DIFY}-{name.replace('_', '-')}"


def selector_of(name: str) -> Tree:
    """The labels that all pods of a service have, and no others."""
    return {INSTANCE: host_of(name)}


def pod_labels(service: Service) -> Tree:
    """Of pods. Nothing of the version: a database that need not change stays when Dify's version does."""
    return {NAME: DIFY, **selector_of(service.name), COMPONENT: host_of(service.name), PART_OF: DIFY}


def of_dify(deployment: Deployment, dify: Installation, api: str, kind: str, name: str, **rest: Any) -> Tree:
    """An object that belongs to Dify as a whole; `rest` are its fields beside the metadata."""
    labels = {NAME: DIFY, VERSION: dify.version, **OURS}
    metadata = {"name": name, "namespace": namespace_of(deployment), "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def of_service(
    deployment: Deployment, dify: Installation, service: Service, api: str, kind: str, name: str = "", **rest: Any
) -> Tree:
    """An object that belongs to one service, and is called as its host unless it says otherwise."""
    tree = of_dify(deployment, dify, api, kind, name or host_of(service.name), **rest)
    tree["metadata"]["labels"] |= pod_labels(service)
    return tree
