"""Who may reach whom: nobody anybody, but for the edges that the configuration implies.

An edge needs both ends: the one that calls must be let out, the one that is called must let it in.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from freehold.config import Deploy
from freehold.config.deploying import Ingress
from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.naming import (
    COMPONENT,
    PART_OF,
    Tree,
    of_deployment,
    of_unit,
    pod_selector,
)
from freehold.deploy.kubernetes.pods import ports_of
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit

CONTROLLER = {"traefik": "traefik"}
"""By ingress class, the namespace in which its controller runs by custom."""
OTHER_CONTROLLER = "ingress-nginx"

_NAMESPACE = "kubernetes.io/metadata.name"
_NODE_LOCAL_DNS = "169.254.20.10/32"
"""Where NodeLocal DNSCache listens, on the node itself."""
_PORTS = {"http": 80, "https": 443}
POSTGRESQL = 5432
"""The port of a shared database, as IANA has it."""


def shared_policies(deployment: Deployment) -> Iterator[Tree]:
    """The wall around everything, and the gateway's doors in it."""
    both = ["Ingress", "Egress"]
    yield policy(deployment, "default-deny", {"podSelector": {}, "policyTypes": both})
    gateway = deployment.gateway
    doors = [at_port(port) for port in ports_of(gateway).values()]
    yield policy(
        deployment,
        GATEWAY,
        {
            "podSelector": {"matchLabels": pod_selector(gateway)},
            "policyTypes": both,
            "ingress": [{"from": list(_callers(deployment.settings)), "ports": doors}],
            "egress": [
                {"to": [{"podSelector": _units(deployment)}]},
                dns(),
                *_database(deployment),
                *_upstreams(deployment),
            ],
        },
    )


def unit_policy(deployment: Deployment, unit: Unit) -> Tree:
    """The doors of one version of a unit: the gateway and Prometheus come in; only a pull goes out."""
    callers = [
        {"podSelector": {"matchLabels": pod_selector(deployment.gateway) | {PART_OF: deployment.name}}},
        of_namespace(deployment.settings.monitoring.namespace),
    ]
    spec = {
        "podSelector": {"matchLabels": pod_selector(unit)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": callers, "ports": [at_port(unit.port)]}],
        "egress": pulling_rules(unit),
    }
    return of_unit(deployment, unit, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def pulling_rules(unit: Unit) -> list[Tree]:
    """The way to the registry of what a unit pulls before it starts."""
    places = sorted({pull.source.removeprefix("oci://").partition("/")[0] for pull in unit.pulls})
    return [dns(), *ways(f"https://{place}" for place in places)] if places else []


def policy(deployment: Deployment, name: str, spec: Tree) -> Tree:
    """A NetworkPolicy of the deployment as a whole."""
    return of_deployment(deployment, "networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def _units(deployment: Deployment) -> Tree:
    """Every version of every unit, those of a release before this one too: each lets in by its own policy."""
    roles = {"key": COMPONENT, "operator": "In", "values": ["models", "vllm", "other"]}
    return {"matchLabels": {PART_OF: deployment.name}, "matchExpressions": [roles]}


def controller_of(ingress: Ingress) -> str:
    """The namespace from which an ingress controller calls."""
    return ingress.namespace or CONTROLLER.get(ingress.ingress_class or "", OTHER_CONTROLLER)


def _callers(settings: Deploy) -> Iterator[Tree]:
    """Whose requests the gateway gets. What a rollout asks comes from the API server: from its nodes, or where a cloud
    runs these elsewhere, from the ends of its tunnels in kube-system."""
    if settings.ingress is None and not settings.clients:
        yield {"namespaceSelector": {}}
    if settings.ingress is not None:
        yield of_namespace(controller_of(settings.ingress))
    for name in dict.fromkeys((*settings.clients, settings.monitoring.namespace, "kube-system")):
        yield of_namespace(name)
    for cidr in settings.control_plane:
        yield {"ipBlock": {"cidr": cidr}}


def _upstreams(deployment: Deployment) -> Iterator[Tree]:
    elsewhere = (model for model in deployment.config.models if model.hosting == "upstream")
    return ways(url for model in elsewhere for url in (model.source, *model.replicas))


def _database(deployment: Deployment) -> Iterator[Tree]:
    """The way to what the copies share; where that is stands in a secret, which no rendering reads."""
    if deployment.config.access.database is not None:
        yield {"ports": [at_port(POSTGRESQL)]}


def ways(urls: Iterable[str]) -> Iterator[Tree]:
    """One rule for each place and its port. A name may be any address; the port is all that can be said of it."""
    ways = {}
    for url in urls:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        for rule in _to(parts.hostname or "", port):
            ways[repr(rule)] = rule
    yield from ways.values()


def _to(host: str, port: int) -> Iterator[Tree]:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
        if len(labels) == 1:
            yield {"to": [{"podSelector": {}}]}
        elif labels[2:3] == ["svc"]:  # the port of a Service need not be its pods'
            yield {"to": [of_namespace(labels[1])]}
        else:
            yield {"ports": [at_port(port)]}
    else:
        yield {"to": [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}], "ports": [at_port(port)]}


def dns() -> Tree:
    """The way to the cluster's names."""
    to = [of_namespace("kube-system"), {"ipBlock": {"cidr": _NODE_LOCAL_DNS}}]
    return {"to": to, "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}


def of_namespace(name: str) -> Tree:
    """Every pod of a namespace, as an end of an edge."""
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}}


def at_port(number: int) -> Tree:
    """A port of TCP."""
    return {"protocol": "TCP", "port": number}
