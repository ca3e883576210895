"""How the outside comes to the gateway: an Ingress, with HTTPS where a certificate is at hand, and HTTP sent there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from freehold.config.deploying import Ingress
from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.naming import Tree, namespace_of, of_deployment
from freehold.deploy.services.deployment import Deployment

REDIRECT = "to-https"
_SILENCE_S = 600
"""How long an answer may be silent: longer than any client of ours waits for a first token."""


@dataclass(frozen=True)
class Way:
    """One name of the outside, and the services behind its paths."""

    name: str
    """Of the Ingress."""
    host: str
    paths: tuple[tuple[str, str], ...]
    """Path and service, whose port is called `http`."""
    secret: str = ""
    """With the certificate; "" for plain HTTP."""
    body_mb: int = 64
    silence_s: int = _SILENCE_S
    https: bool = False
    """Whether the services themselves answer by HTTPS."""


def entrance(deployment: Deployment) -> Iterator[Tree]:
    """The Ingress of the gateway, and for Traefik the redirection, which is an object there."""
    ingress = deployment.settings.ingress
    if ingress is None:
        return
    way = Way(
        name=GATEWAY,
        host=ingress.host,
        paths=(("/", GATEWAY),),
        secret=tls_secret(ingress),
        body_mb=deployment.config.limits.body_mb,
        https=deployment.gateway.https,
    )
    main, *redirected = ways_in(deployment, ingress, way)
    yield main
    if redirected:
        scheme = {"redirectScheme": {"scheme": "https", "permanent": True}}
        yield of_deployment(deployment, "traefik.io/v1alpha1", "Middleware", REDIRECT, spec=scheme)
    yield from redirected


def ways_in(deployment: Deployment, ingress: Ingress, way: Way) -> Iterator[Tree]:
    """The Ingress of `way` by the controller of `ingress`; for Traefik with HTTPS a second one, which sends plain HTTP
    there by the Middleware that the gateway's entrance brings."""
    yield _ingress(deployment, ingress, way, _annotations(ingress, way))
    if ingress.ingress_class == "traefik" and way.secret:
        annotations = {
            "traefik.ingress.kubernetes.io/router.entrypoints": "web",
            "traefik.ingress.kubernetes.io/router.middlewares": f"{namespace_of(deployment)}-{REDIRECT}@kubernetescrd",
        }
        plain = replace(way, name=f"{way.name}-{REDIRECT}", secret="")
        yield _ingress(deployment, ingress, plain, annotations)


def tls_secret(ingress: Ingress) -> str:
    """The secret with the certificate: one that is there, or that cert-manager writes; "" for plain HTTP."""
    return ingress.secret or ("gateway-tls" if ingress.issuer else "")


def _ingress(deployment: Deployment, ingress: Ingress, way: Way, annotations: Tree) -> Tree:
    paths = [
        {
            "path": path,
            "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"name": "http"}}},
        }
        for path, service in way.paths
    ]
    spec: Tree = {"ingressClassName": ingress.ingress_class} if ingress.ingress_class else {}
    if way.secret:
        spec["tls"] = [{"hosts": [way.host], "secretName": way.secret}]
    spec["rules"] = [{"host": way.host, "http": {"paths": paths}}]
    tree = of_deployment(deployment, "networking.k8s.io/v1", "Ingress", way.name, spec=spec)
    if annotations:
        tree["metadata"]["annotations"] = annotations
    return tree


def _annotations(ingress: Ingress, way: Way) -> Tree:
    """For cert-manager, and for the controller: bodies as large as the services take, answers as they come.

    Where no class is said, nginx's are written: others ignore them.
    """
    annotations = {"cert-manager.io/cluster-issuer": ingress.issuer} if ingress.issuer else {}
    secure = bool(way.secret)
    if ingress.ingress_class == "traefik":
        # without further settings it limits no body, buffers nothing and waits for an answer as long as it takes
        entry = {"router.entrypoints": "websecure", "router.tls": "true"} if secure else {"router.entrypoints": "web"}
        return annotations | {f"traefik.ingress.kubernetes.io/{key}": value for key, value in entry.items()}
    nginx = {
        "ssl-redirect": str(secure).lower(),
        "force-ssl-redirect": str(secure).lower(),
        "proxy-body-size": f"{way.body_mb}m",
        "proxy-read-timeout": str(way.silence_s),
        "proxy-send-timeout": str(way.silence_s),
        "proxy-buffering": "off",
        "proxy-request-buffering": "off",
    }
    if way.https:
        nginx["backend-protocol"] = "HTTPS"
    return annotations | {f"nginx.ingress.kubernetes.io/{key}": value for key, value in nginx.items()}
