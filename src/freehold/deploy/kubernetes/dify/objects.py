"""All objects of a Dify, in the order to apply them."""

from collections.abc import Iterator, Mapping

from freehold.deploy.kubernetes.dify.entrance import entrance
from freehold.deploy.kubernetes.dify.naming import host_of
from freehold.deploy.kubernetes.dify.network import policies
from freehold.deploy.kubernetes.dify.storage import claims
from freehold.deploy.kubernetes.dify.workloads import service_objects
from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.installation import installation
from freehold.deploy.topology.service import Installation


def dify_of(deployment: Deployment) -> Installation | None:
    """The Dify that its configuration deploys beside the models, as a cluster names its hosts; None where it has none.

    Raises what `installation` raises.
    """
    return installation(deployment.config, deployment.digests, host_of)


def dify_objects(deployment: Deployment, dify: Installation) -> Iterator[Tree]:
    """Everything but Secrets: the walls, the claims, the services as they start, the way in.

    Raises FreeholdError `kubernetes_config_too_large`, `dify_ingress_taken`.
    """
    yield from policies(deployment, dify)
    yield from claims(deployment, dify)
    for service in dify.services:
        yield from service_objects(deployment, dify, service)
    yield from entrance(deployment, dify)


def files_of(deployment: Deployment, dify: Installation) -> Mapping[str, list[Tree]]:
    """The same by the files that they are rendered to: one for each service, one for each thing that all share."""
    files = {
        "dify/network.yaml": list(policies(deployment, dify)),
        "dify/storage.yaml": list(claims(deployment, dify)),
    }
    for service in dify.services:
        files[f"dify/{service.name.replace('_', '-')}.yaml"] = list(service_objects(deployment, dify, service))
    files["dify/ingress.yaml"] = list(entrance(deployment, dify))
    return {path: trees for path, trees in files.items() if trees}
