"""How browsers come to a Dify: an Ingress with its table of paths.

What nginx does for it in Compose, beside the paths, an Ingress cannot: set `Dify-Hook-Url` for the endpoints of plugins
below /e/. The daemon makes that of the request's host where it is missing.
"""

from collections.abc import Iterator

from freehold.config.deploying import Ingress
from freehold.deploy.kubernetes.dify.naming import DIFY, OURS, host_of
from freehold.deploy.kubernetes.entrance import Way, ways_in
from freehold.deploy.kubernetes.naming import NAME, VERSION, Tree
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

BODY_MB = 600
"""A package of a plugin with its wheels, 512 MiB at most by PLUGIN_MAX_PACKAGE_SIZE, and what goes around it."""
SILENCE_S = 3600
"""As in Dify's own nginx: a workflow may think for long."""


def entrance(deployment: Deployment, dify: Installation) -> Iterator[Tree]:
    """The Ingress of `dify.ingress_host`, by the controller of `deploy.ingress`; none where it has no host.

    Raises FreeholdError `dify_ingress_taken` where that is the gateway's.
    """
    config, ingress = deployment.config.dify, deployment.settings.ingress
    if config is None or config.ingress_host is None:
        return
    if ingress is not None and ingress.host == config.ingress_host:
        raise FreeholdError("dify_ingress_taken", host=ingress.host)
    chosen = ingress or Ingress(host=config.ingress_host)
    way = Way(
        name=DIFY,
        host=config.ingress_host,
        paths=tuple((path, host_of(service)) for path, service in dify.paths),
        secret=tls_secret(chosen),
        body_mb=BODY_MB,
        silence_s=SILENCE_S,
    )
    for tree in ways_in(deployment, chosen, way):
        tree["metadata"]["labels"] = {NAME: DIFY, VERSION: dify.version, **OURS}
        yield tree


def tls_secret(ingress: Ingress) -> str:
    """The secret with Dify's certificate: the one that is there, which is for both names then, or cert-manager's."""
    return f"{DIFY}-tls" if ingress.issuer else ingress.secret or ""
