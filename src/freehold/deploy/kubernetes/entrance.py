"""How the outside comes to the gateway: an Ingress, with HTTPS where a certificate is at hand, and HTTP sent there."""

from collections.abc import Iterator

from freehold.config.deploying import Ingress
from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.naming import Tree, namespace_of, of_deployment
from freehold.deploy.services.deployment import Deployment

REDIRECT = "to-https"
_SILENCE_S = 600
"""How long an answer may be silent: longer than any client of ours waits for a first token."""


def entrance(deployment: Deployment) -> Iterator[Tree]:
    """The Ingress of the gateway, and for Traefik the redirection, which is an object there."""
    ingress = deployment.settings.ingress
    if ingress is None:
        return
    yield _ingress(deployment, ingress, GATEWAY, _annotations(deployment, ingress), tls_secret(ingress))
    if ingress.ingress_class == "traefik" and tls_secret(ingress):
        scheme = {"redirectScheme": {"scheme": "https", "permanent": True}}
        yield of_deployment(deployment, "traefik.io/v1alpha1", "Middleware", REDIRECT, spec=scheme)
        annotations = {
            "traefik.ingress.kubernetes.io/router.entrypoints": "web",
            "traefik.ingress.kubernetes.io/router.middlewares": f"{namespace_of(deployment)}-{REDIRECT}@kubernetescrd",
        }
        yield _ingress(deployment, ingress, f"{GATEWAY}-{REDIRECT}", annotations, "")


def tls_secret(ingress: Ingress) -> str:
    """The secret with the certificate: one that is there, or that cert-manager writes; "" for plain HTTP."""
    return ingress.secret or ("gateway-tls" if ingress.issuer else "")


def _ingress(deployment: Deployment, ingress: Ingress, name: str, annotations: Tree, secret: str) -> Tree:
    backend = {"service": {"name": GATEWAY, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: Tree = {"ingressClassName": ingress.ingress_class} if ingress.ingress_class else {}
    if secret:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": secret}]
    spec["rules"] = [{"host": ingress.host, "http": {"paths": [path]}}]
    tree = of_deployment(deployment, "networking.k8s.io/v1", "Ingress", name, spec=spec)
    if annotations:
        tree["metadata"]["annotations"] = annotations
    return tree


def _annotations(deployment: Deployment, ingress: Ingress) -> Tree:
    """For cert-manager, and for the controller: bodies as large as the gateway takes, answers as they come.

    Where no class is said, nginx's are written: others ignore them.
    """
    annotations = {"cert-manager.io/cluster-issuer": ingress.issuer} if ingress.issuer else {}
    secure = bool(tls_secret(ingress))
    if ingress.ingress_class == "traefik":
        # without further settings it limits no body, buffers nothing and waits for an answer as long as it takes
        entry = {"router.entrypoints": "websecure", "router.tls": "true"} if secure else {"router.entrypoints": "web"}
        return annotations | {f"traefik.ingress.kubernetes.io/{key}": value for key, value in entry.items()}
    nginx = {
        "ssl-redirect": str(secure).lower(),
        "force-ssl-redirect": str(secure).lower(),
        "proxy-body-size": f"{deployment.config.limits.body_mb}m",
        "proxy-read-timeout": str(_SILENCE_S),
        "proxy-send-timeout": str(_SILENCE_S),
        "proxy-buffering": "off",
        "proxy-request-buffering": "off",
    }
    if deployment.gateway.https:
        nginx["backend-protocol"] = "HTTPS"
    return annotations | {f"nginx.ingress.kubernetes.io/{key}": value for key, value in nginx.items()}
