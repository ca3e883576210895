"""Who may reach whom in a Dify: nobody anybody, but for what its topology says that services reach.

The wall around all pods of the namespace, `default-deny`, is that of the models.
"""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from freehold.config.deploying import Ingress
from freehold.config.dify import Dify
from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes.dify.naming import host_of, of_dify, of_service, selector_of
from freehold.deploy.kubernetes.naming import Tree, pod_selector
from freehold.deploy.kubernetes.network import at_port, controller_of, dns, of_namespace, ways
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service

OUTSIDE = "outside"
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""What is no address of the internet (RFC 1918, 6598, 1122, 3927): pods, services, nodes and the clouds' metadata."""
PRIVATE_6 = ("::1/128", "fc00::/7", "fe80::/10")
_WEB = (80, 443)


def policies(deployment: Deployment, dify: Installation) -> Iterator[Tree]:
    """One for each service, and the door of the gateway for those who call models."""
    for service in dify.services:
        yield _policy(deployment, dify, service)
    if callers := [service.name for service in dify.services if GATEWAY in service.reaches]:
        gateway = deployment.gateway
        spec = {
            "podSelector": {"matchLabels": pod_selector(gateway)},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": _pods(callers), "ports": [at_port(gateway.port)]}],
        }
        yield of_dify(deployment, dify, "networking.k8s.io/v1", "NetworkPolicy", host_of(GATEWAY), spec=spec)


def _policy(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    spec = {
        "podSelector": {"matchLabels": selector_of(service.name)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(_entering(deployment, dify, service)),
        "egress": list(_leaving(deployment, dify, service)),
    }
    return of_service(deployment, dify, service, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def _entering(deployment: Deployment, dify: Installation, service: Service) -> Iterator[Tree]:
    if not service.port:
        return
    callers = _pods([one.name for one in dify.services if service.name in one.reaches])
    if _of(deployment).ingress_host and service.name in {name for _, name in dify.paths}:
        callers.append(of_namespace(controller_of(deployment.settings.ingress or Ingress(host=""))))
    if callers:
        yield {"from": callers, "ports": [at_port(port) for port in (service.port, *service.more_ports)]}


def _leaving(deployment: Deployment, dify: Installation, service: Service) -> Iterator[Tree]:
    rules = list(_called(deployment, dify, service))
    if rules:
        yield dns()
    yield from rules


def _called(deployment: Deployment, dify: Installation, service: Service) -> Iterator[Tree]:
    """What a service calls: others of Dify, the gateway, stores of the user's own that it is told of, the outside."""
    for name in service.reaches:
        if name == GATEWAY:
            to = {"podSelector": {"matchLabels": pod_selector(deployment.gateway)}}
            yield {"to": [to], "ports": [at_port(deployment.gateway.port)]}
        elif name != OUTSIDE:
            called = dify.service(name)
            yield {"to": _pods([name]), "ports": [at_port(port) for port in (called.port, *called.more_ports)]}
    if OUTSIDE in service.reaches:
        config = _of(deployment)
        yield from ways(url for url in _own(config) if _is_told(service, url))
        yield {"to": [_all_but("0.0.0.0/0", PRIVATE), _all_but("::/0", PRIVATE_6)]}
        yield from _private(config)


def _private(config: Dify) -> Iterator[Tree]:
    """What `private_hosts` lets workflows reach; the proxy judges names, a policy only addresses: so there the ports
    of the web are all that can be said."""
    blocks, names = [], []
    for host in config.private_hosts:
        try:
            blocks.append(str(ipaddress.ip_network(host, strict=False)))
        except ValueError:
            names.append(host)
    if blocks:
        yield {"to": [{"ipBlock": {"cidr": block}} for block in blocks]}
    if names:
        yield {"ports": [at_port(port) for port in _WEB]}


def _own(config: Dify) -> Iterator[str]:
    """The addresses of what the user has in place of containers."""
    if config.postgres is not None:
        yield f"tcp://{config.postgres.host}:{config.postgres.port}"
    if config.redis is not None:
        yield f"tcp://{config.redis.host}:{config.redis.port}"
    if config.storage is not None:
        yield config.storage.endpoint
    if (endpoint := config.vectors.endpoint) is not None:
        yield endpoint if "://" in endpoint else f"tcp://{endpoint}"
    if config.package_index is not None:
        yield config.package_index


def _is_told(service: Service, url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host in text for text in (*service.environment.values(), *service.secrets.values()))


def _pods(names: list[str]) -> list[Tree]:
    return [{"podSelector": {"matchLabels": selector_of(name)}} for name in names]


def _all_but(cidr: str, private: tuple[str, ...]) -> Tree:
    return {"ipBlock": {"cidr": cidr, "except": list(private)}}


def _of(deployment: Deployment) -> Dify:
    return deployment.config.dify or Dify()
