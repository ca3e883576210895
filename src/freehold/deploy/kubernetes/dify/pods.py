"""A pod of a service of Dify: its container, what it waits for, its probes."""

import hashlib
import json
import math
from collections.abc import Iterator

from freehold.deploy.kubernetes.dify.environment import plain_name, secret_variables
from freehold.deploy.kubernetes.dify.naming import pod_labels, selector_of
from freehold.deploy.kubernetes.dify.security import container_security, pod_security
from freehold.deploy.kubernetes.dify.storage import volumes
from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.kubernetes.pods import CONTAINER, DRAIN_S, identity
from freehold.deploy.kubernetes.versions import has_sleep
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service

CHECKSUM = "freehold/configuration"
"""The annotation by which a changed ConfigMap makes pods anew: variables and files are read once."""
DATABASE, MIGRATED = "database", "migrated"
"""Containers that run before the others of a pod until the database answers, until it is of its version."""

_GRACE_S = 60
_STARTING_S = 5
_LEAST = {"cpu": "100m", "memory": "256Mi"}
_ANSWERS = "until flask db current >/dev/null 2>&1; do echo waiting for the database; sleep 3; done"
_IS_MIGRATED = "until flask db current 2>/dev/null | grep -q '(head)'; do echo waiting for the migration; sleep 3; done"
"""By the image's own revisions: Flask-Migrate prints `REVISION (head)` where the database has the newest. Of `flask db`
Dify's app.py makes no more than the way to the database."""


def pod(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    """The template of the pods of `service`: metadata and spec."""
    seen = list(volumes(service))
    mounts = [mount for volume in seen for mount in volume.mounts]
    server = _container(dify, service, CONTAINER, mounts)
    if service.port:
        ports = {"http": service.port} | {f"port-{port}": port for port in service.more_ports}
        server["ports"] = [{"name": name, "containerPort": port} for name, port in ports.items()]
    if service.kind == "server":
        server |= _probes(service) | _drained(deployment, service)
    spec: Tree = {"containers": [server], "volumes": [volume.volume for volume in seen]}
    for name, script in _awaited(dify, service):
        waiting = _container(dify, service, name, mounts) | {"command": ["sh", "-c", script]}
        waiting.pop("args", None)
        spec = {"initContainers": [waiting]} | spec
    if service.scale == "many":
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_of(service.name)},
            }
        ]
    spec |= {"terminationGracePeriodSeconds": _GRACE_S}
    who = identity(deployment) | {"securityContext": pod_security(service)}
    metadata = {"labels": pod_labels(service), "annotations": {CHECKSUM: checksum(service)}}
    return {"metadata": metadata, "spec": who | spec}


def checksum(service: Service) -> str:
    """Sixteen hex digits of what is plain of its configuration."""
    known = json.dumps([dict(service.environment), dict(service.files)], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _container(dify: Installation, service: Service, name: str, mounts: list[Tree]) -> Tree:
    """Whatever it runs of the image: with the variables of `service`, and no more rights than that has."""
    container: Tree = {"name": name, "image": service.image}
    if service.entrypoint:
        container["command"] = list(map(_literal, service.entrypoint))
    if service.command:
        container["args"] = list(map(_literal, service.command))
    if service.environment:
        container["envFrom"] = [{"configMapRef": {"name": plain_name(service)}}]
    if variables := secret_variables(dify, service):
        container["env"] = variables
    requests = _LEAST if service.memory_mb is None else _LEAST | {"memory": f"{service.memory_mb}Mi"}
    limits = {} if service.memory_mb is None else {"limits": {"memory": f"{service.memory_mb}Mi"}}
    return container | {
        "resources": {"requests": requests, **limits},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(service),
    }


def _awaited(dify: Installation, service: Service) -> Iterator[tuple[str, str]]:
    """What runs first. The job waits for a database that answers; those of its image that come after it wait for what
    it does, whatever is applied first. Others begin, fail, and are started again."""
    jobs = (one for one in dify.services if one.kind == "job" and one.name in service.after)
    if service.kind == "job":
        yield DATABASE, _ANSWERS
    elif any(job.image == service.image for job in jobs):
        yield MIGRATED, _IS_MIGRATED


def _probes(service: Service) -> Tree:
    """Until it was there once nobody asks whether it lives; nor ever whether requests may come to who takes none."""
    probe = service.probe
    if probe is None:
        return {}
    if probe.command:
        asked: Tree = {"exec": {"command": list(probe.command)}}
    elif probe.path:
        asked = {"httpGet": {"path": probe.path, "port": probe.port}}
    else:
        asked = {"tcpSocket": {"port": probe.port}}

    def every(seconds: int, failures: int) -> Tree:
        return {**asked, "periodSeconds": seconds, "timeoutSeconds": probe.timeout_s, "failureThreshold": failures}

    often = min(probe.interval_s, _STARTING_S) if not probe.command else probe.interval_s
    return {
        "startupProbe": every(often, max(2, math.ceil(probe.startup_s / often))),
        **({"readinessProbe": every(probe.interval_s, 3)} if service.port else {}),
        "livenessProbe": every(probe.interval_s, 6),
    }


def _drained(deployment: Deployment, service: Service) -> Tree:
    """Where others take over, requests still come for a moment."""
    if not service.port or service.scale == "one":
        return {}
    sleeps = has_sleep(deployment.settings)
    pause: Tree = {"sleep": {"seconds": DRAIN_S}} if sleeps else {"exec": {"command": ["sleep", str(DRAIN_S)]}}
    return {"lifecycle": {"preStop": pause}}


def _literal(text: str) -> str:
    """`$(NAME)` would be replaced by the kubelet."""
    return text.replace("$(", "$$(")
