"""All objects of a deployment, in the order to apply them."""

from collections.abc import Iterator

from freehold.deploy.kubernetes.dify.objects import dify_objects, dify_of
from freehold.deploy.kubernetes.entrance import entrance
from freehold.deploy.kubernetes.monitoring import monitors
from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.kubernetes.network import shared_policies, unit_policy
from freehold.deploy.kubernetes.storage import claim
from freehold.deploy.kubernetes.tenancy import foundation
from freehold.deploy.kubernetes.workloads import unit_objects
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit


def objects(deployment: Deployment) -> tuple[Tree, ...]:
    """Everything: what an administrator makes once, what all versions share, the units, the gateway, Dify last.

    Raises FreeholdError `kubernetes_name`, `kubernetes_too_old`, `kubernetes_config_too_large`,
    `kubernetes_no_claim`, `kubernetes_unclaimed`, `kubernetes_unreachable`, `dify_ingress_taken`, and what `dify_of`
    raises.
    """
    dify = dify_of(deployment)
    units = (tree for unit in deployment.units for tree in objects_of(deployment, unit))
    models = (*foundation(deployment), *shared(deployment), *units, *objects_of(deployment, deployment.gateway))
    return models if dify is None else (*models, *dify_objects(deployment, dify))


def shared(deployment: Deployment) -> Iterator[Tree]:
    """What belongs to no version: the walls, the claim, the way in, and what Prometheus looks for."""
    yield from shared_policies(deployment)
    yield from claim(deployment)
    yield from entrance(deployment)
    if deployment.settings.monitoring.operator:
        yield from monitors(deployment)


def objects_of(deployment: Deployment, unit: Unit) -> Iterator[Tree]:
    """One version of a unit, or the gateway: with what lets requests in before what takes them."""
    if unit.role != "gateway":
        yield unit_policy(deployment, unit)
    yield from unit_objects(deployment, unit)
