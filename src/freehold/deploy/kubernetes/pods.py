"""A pod: containers that PodSecurity `restricted` lets in, with probes, and a drain before they end."""

import math
from typing import Any

from freehold.deploy.kubernetes.naming import ACCOUNT, Tree, pod_labels, pod_selector
from freehold.deploy.kubernetes.vendors import accelerator
from freehold.deploy.kubernetes.versions import has_sleep
from freehold.deploy.kubernetes.volumes import AUTHORITY, REGISTRY, authority_of, pull_volumes, volumes
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit

USER = 10001
CONTAINER = "server"
"""The container of a unit's pods, whose logs and state tell how it is."""
DRAIN_S = 5
"""After a pod is told to end, requests still come: until every node has heard that it is no endpoint any more."""

_PROBE_S = 5
_LEAST = {"cpu": "250m", "memory": "256Mi"}
"""Asked for where the configuration sets no bounds: the scheduler must count something."""


def pod(deployment: Deployment, unit: Unit) -> Tree:
    """The template of the pods of `unit`: metadata and spec."""
    seen, for_pulls = list(volumes(deployment, unit)), list(pull_volumes(deployment, unit))
    mounts = [mount for volume in seen for mount in volume.mounts]
    spec = {
        "containers": [_server(deployment, unit, mounts)],
        "volumes": [volume.volume for volume in (*seen, *for_pulls)],
        "terminationGracePeriodSeconds": DRAIN_S + unit.grace_s,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": pod_selector(unit)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
    }
    if unit.pulls:
        needed = [*scratch(mounts), *(mount for volume in for_pulls for mount in volume.mounts)]
        pulling = [_pulling(deployment, unit, number, needed) for number in range(len(unit.pulls))]
        spec = {"initContainers": pulling, **spec}
    if unit.gpus is not None:
        row = accelerator(unit.gpus.resource)
        taint = (row and row.taint) or unit.gpus.resource  # by which clusters keep such nodes for those who ask
        spec["tolerations"] = [{"key": taint, "operator": "Exists", "effect": "NoSchedule"}]
    metadata = {"labels": pod_labels(deployment, unit), "annotations": _scraped(unit)}
    return {"metadata": metadata, "spec": identity(deployment) | spec}


def identity(deployment: Deployment) -> Tree:
    """Who a pod is: nobody in the cluster, and not root in its containers."""
    identity: Tree = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # the variables of a Service named `vllm` are settings of vLLM
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if secrets := deployment.settings.pull_secrets:
        identity["imagePullSecrets"] = [{"name": name} for name in secrets]
    return identity


def contained(unit: Unit, name: str, command: tuple[str, ...], environment: list[Tree], mounts: list[Tree]) -> Tree:
    """A container of the unit's image, whatever it runs: what it is given and what it may not do."""
    container: Tree = {"name": name, "image": unit.image}
    if unit.entrypoint:
        container["command"] = [_literal(word) for word in unit.entrypoint]
    container["args"] = [_literal(word) for word in command]
    if environment:
        container["env"] = environment
    return container | {
        "resources": resources(unit),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def resources(unit: Unit) -> Tree:
    """Requests and limits. Memory has no slack between them: what was promised cannot be taken by a neighbour.

    Cores that nobody asked for bound a unit, since its memory was computed for so many, and are not promised.
    """
    limits: dict[str, Any] = {}
    if unit.cpu is not None:
        limits["cpu"] = f"{round(unit.cpu * 1000)}m"
    if unit.memory_mb is not None:
        shared = 0 if unit.role in ("gateway", "models") else unit.shm_mb  # files in /dev/shm count
        limits["memory"] = f"{unit.memory_mb + shared}Mi"
    if unit.gpus is not None:
        limits[unit.gpus.resource] = unit.gpus.count
    requests = _LEAST | limits
    if unit.models and not any(model.resources.cpu for model in unit.models):
        requests["cpu"] = _LEAST["cpu"]
    tree: Tree = {"requests": requests}
    return tree | {"limits": limits} if limits else tree


def ports_of(unit: Unit) -> dict[str, int]:
    """The ports of a unit by their names."""
    return {"http": unit.port} | ({} if unit.grpc_port is None else {"grpc": unit.grpc_port})


def environment_of(unit: Unit) -> list[Tree]:
    """The variables of a container."""
    plain = dict(unit.environment)
    if unit.role == "other":
        # the image's own user is not the one it runs as: no home, no name
        plain = {"HOME": "/tmp", "USER": ACCOUNT} | plain  # noqa: S108 - of its own pod
    return [{"name": name, "value": _literal(plain[name])} for name in sorted(plain)]


def _server(deployment: Deployment, unit: Unit, mounts: list[Tree]) -> Tree:
    if has_sleep(deployment.settings):
        pause: Tree = {"sleep": {"seconds": DRAIN_S}}
    else:
        pause = {"exec": {"command": ["sleep", str(DRAIN_S)]}}
    began = unit.alive if unit.role == "gateway" else unit.ready
    container = contained(unit, CONTAINER, unit.command, environment_of(unit), mounts)
    return container | {
        "ports": [{"name": name, "containerPort": port} for name, port in ports_of(unit).items()],
        # Until it was ready once nobody asks whether it lives. A gateway starts at once, and is ready with its units.
        "startupProbe": _probe(unit, began, _PROBE_S, math.ceil(unit.startup_s / _PROBE_S)),
        "readinessProbe": _probe(unit, unit.ready, _PROBE_S, 2),
        "livenessProbe": _probe(unit, unit.alive, 2 * _PROBE_S, 6),
        "lifecycle": {"preStop": pause},
    }


def _probe(unit: Unit, path: str, period_s: int, failures: int) -> Tree:
    scheme = {"scheme": "HTTPS"} if unit.https else {}
    return {
        "httpGet": {"path": path, "port": "http"} | scheme,
        "periodSeconds": period_s,
        "timeoutSeconds": _PROBE_S,
        "failureThreshold": failures,
    }


def scratch(mounts: list[Tree]) -> list[Tree]:
    """Those of the volumes that end with the pod: all that is needed by what is no server."""
    return [mount for mount in mounts if mount["name"] in ("data", "tmp")]


def _pulling(deployment: Deployment, unit: Unit, number: int, mounts: list[Tree]) -> Tree:
    pull = unit.pulls[number]
    environment = environment_of(unit)
    if deployment.settings.pull_secrets:
        environment.append({"name": "DOCKER_CONFIG", "value": REGISTRY})
    if authority_of(deployment):
        environment.append({"name": "SSL_CERT_FILE", "value": AUTHORITY})
    command = ("models", "pull", pull.source, "--name", pull.name)
    container = contained(unit, f"pull-{number}", command, environment, mounts)
    return container | {"resources": {"requests": _LEAST, "limits": {"memory": "1Gi"}}}


def _scraped(unit: Unit) -> Tree:
    """The annotations by which a Prometheus without operator finds what to scrape."""
    annotations = {"scrape": "true", "port": str(unit.port), "path": "/metrics"}
    if unit.https:
        annotations["scheme"] = "https"
    return {f"prometheus.io/{name}": value for name, value in annotations.items()}


def _literal(text: str) -> str:
    """`$(NAME)` would be replaced by the kubelet."""
    return text.replace("$(", "$$(")
