"""What runs a service of Dify: its ConfigMaps, Service, and a Deployment, a StatefulSet or a Job."""

import hashlib
import json
from collections.abc import Iterator

from freehold.deploy.kubernetes.dify.environment import plain_name
from freehold.deploy.kubernetes.dify.naming import host_of, of_service, selector_of
from freehold.deploy.kubernetes.dify.pods import pod
from freehold.deploy.kubernetes.dify.storage import files_name
from freehold.deploy.kubernetes.naming import Tree, config_key
from freehold.deploy.kubernetes.versions import has_eviction_policy
from freehold.deploy.kubernetes.workloads import LARGEST_CONFIG
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service
from freehold.errors import FreeholdError

COPIES = 2
"""Of a service that may have many: a node may go without anybody noticing."""
MIGRATING_S = 3600
"""A migration of a large database takes its time; then it has failed."""
STARTING_S = 1200
"""A Deployment that is no further then has failed: an image of gigabytes, and what comes before it."""


def service_objects(deployment: Deployment, dify: Installation, service: Service) -> Iterator[Tree]:
    """All of one service, in the order to apply it; claims and policies are apart.

    Raises FreeholdError `kubernetes_config_too_large`.
    """
    if service.environment:
        yield _config_map(deployment, dify, service, plain_name(service), dict(sorted(service.environment.items())))
    if service.files:
        files = {config_key(path): text for path, text in sorted(service.files.items())}
        yield _config_map(deployment, dify, service, files_name(service), files)
    if service.port:
        yield _service(deployment, dify, service)
    if service.kind == "job":
        yield _job(deployment, dify, service)
    elif service.stateful:
        yield _stateful_set(deployment, dify, service)
    else:
        yield _deployment(deployment, dify, service)
        if service.scale == "many":
            yield _budget(deployment, dify, service)


def _config_map(deployment: Deployment, dify: Installation, service: Service, name: str, data: dict[str, str]) -> Tree:
    size = sum(len(text.encode("utf-8")) for text in data.values())
    if size > LARGEST_CONFIG:
        raise FreeholdError("kubernetes_config_too_large", service=service.name, size=size, limit=LARGEST_CONFIG)
    return of_service(deployment, dify, service, "v1", "ConfigMap", name, data=data)


def _service(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    ports = {"http": service.port} | {f"port-{port}": port for port in service.more_ports}
    spec = {
        "selector": selector_of(service.name),
        "ports": [{"name": name, "port": port, "targetPort": name} for name, port in ports.items()],
    }
    return of_service(deployment, dify, service, "v1", "Service", spec=spec)


def _deployment(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    if service.scale == "many":
        number, rolling = COPIES, {"maxUnavailable": 0, "maxSurge": 1}
        strategy: Tree = {"type": "RollingUpdate", "rollingUpdate": rolling}
    else:
        number, strategy = 1, {"type": "Recreate"}
    spec = {
        "replicas": number,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": STARTING_S,
        "selector": {"matchLabels": selector_of(service.name)},
        "strategy": strategy,
        "template": pod(deployment, dify, service),
    }
    return of_service(deployment, dify, service, "apps/v1", "Deployment", spec=spec)


def _stateful_set(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    """A database: never two of it, not even where a node no longer answers. Whoever deletes its pod restarts it."""
    spec = {
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "serviceName": host_of(service.name),
        "selector": {"matchLabels": selector_of(service.name)},
        "updateStrategy": {"type": "OnDelete"},
        "template": pod(deployment, dify, service),
    }
    return of_service(deployment, dify, service, "apps/v1", "StatefulSet", spec=spec)


def _job(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    """A Job cannot be changed, so its name says of what it is: another version or configuration is another Job, and
    the same one rendered again is the one that is there."""
    template = pod(deployment, dify, service)
    template["spec"]["restartPolicy"] = "Never"
    spec = {"backoffLimit": 4, "activeDeadlineSeconds": MIGRATING_S, "template": template}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{host_of(service.name)}-{dify.version.replace('.', '-')}-{digest}"
    return of_service(deployment, dify, service, "batch/v1", "Job", name, spec=spec)


def _budget(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    """One copy at a time may be drained."""
    spec: Tree = {"maxUnavailable": 1, "selector": {"matchLabels": selector_of(service.name)}}
    if has_eviction_policy(deployment.settings):
        spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
    return of_service(deployment, dify, service, "policy/v1", "PodDisruptionBudget", spec=spec)
