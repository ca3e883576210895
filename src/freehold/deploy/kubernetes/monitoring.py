"""What the Prometheus operator is told to scrape: the units with the key that is theirs, the gateway with its own."""

from collections.abc import Iterator

from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.naming import (
    COMPONENT,
    INSTANCE,
    NAME,
    PART_OF,
    SECRET_KEY,
    Tree,
    of_deployment,
    secret_of,
)
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_files import ACCESS, INTERNAL
from freehold.deploy.services.units import SecretFile

UNITS = ("models", "vllm", "other")


def monitors(deployment: Deployment) -> Iterator[Tree]:
    """Two ServiceMonitors (monitoring.coreos.com/v1), for keys differ."""
    yield _monitor(deployment, "units", list(UNITS), INTERNAL, https=False)
    key = gateway_key(deployment)
    yield _monitor(deployment, GATEWAY, ["gateway"], key, https=deployment.gateway.https)


def gateway_key(deployment: Deployment) -> SecretFile | None:
    """A secret with a key that the gateway lets in, where it asks for one."""
    access = deployment.config.access
    if access.auth == "none":
        return None
    own = (secret for secret in deployment.gateway.secrets if access.key and secret.origin == access.key)
    return next(own, ACCESS)


def _monitor(deployment: Deployment, name: str, components: list[str], key: SecretFile | None, *, https: bool) -> Tree:
    endpoint: Tree = {"port": "http", "path": "/metrics", "interval": "15s"}
    if https:  # by address, which no certificate is for
        endpoint |= {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}}
    if key is not None:
        endpoint["authorization"] = {"credentials": {"name": secret_of(key), "key": SECRET_KEY}}
    chosen = {"key": COMPONENT, "operator": "In", "values": components}
    spec = {
        "selector": {"matchLabels": {PART_OF: deployment.name}, "matchExpressions": [chosen]},
        "targetLabels": [NAME, INSTANCE],
        "endpoints": [endpoint],
    }
    tree = of_deployment(deployment, "monitoring.coreos.com/v1", "ServiceMonitor", name, spec=spec)
    tree["metadata"]["labels"] |= dict(sorted(deployment.settings.monitoring.labels.items()))
    return tree
