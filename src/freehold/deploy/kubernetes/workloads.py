"""What runs a unit: its ConfigMap, Service, Deployments, autoscaler and disruption budget."""

from collections.abc import Iterator
from dataclasses import dataclass

from freehold.config.deploying import Spot
from freehold.deploy.kubernetes.naming import (
    WORKLOAD,
    Tree,
    config_key,
    further,
    of_unit,
    pod_selector,
    service_of,
)
from freehold.deploy.kubernetes.pods import pod, ports_of
from freehold.deploy.kubernetes.scaling import autoscaler
from freehold.deploy.kubernetes.versions import has_eviction_policy
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError

LARGEST_CONFIG = 1 << 20
"""Bytes of a ConfigMap's data, by the API server's own limit."""
_PULLING_S = 600  # an image of gigabytes, before the startup probe begins


@dataclass(frozen=True)
class Copies:
    """Copies of a unit that run on one kind of node. `most` is set where their number follows the load."""

    name: str
    least: int
    most: int | None = None
    spot: bool = False
    """On nodes that may be taken away; else on all but these."""


def copies_of(deployment: Deployment, unit: Unit) -> Iterator[Copies]:
    """One Deployment, or with spot nodes two: the floor on other nodes, and what is above it on them.

    The one called `service_of(unit)` is what must be there for the unit to be ready. A floor needs a Deployment of its
    own: a preference of nodes, or a spread over both kinds, holds for the moment in which a pod is placed, and an
    autoscaler takes copies away without looking where they run.
    """
    name, scale, spot = service_of(unit), unit.scale, deployment.settings.spot
    if spot is None or unit.role == "gateway":
        yield Copies(name, scale.least, scale.most)
        return
    if spot.on_demand == 0:
        yield Copies(name, scale.least, scale.most, spot=True)
        return
    most = scale.most or scale.least
    floor = min(spot.on_demand, most)
    yield Copies(name, floor)
    if most > floor:
        above = max(1, scale.least - floor)  # an autoscaler keeps one at least
        yield Copies(further(unit, "spot"), above, most - floor if scale.most else None, spot=True)


def unit_objects(deployment: Deployment, unit: Unit) -> Iterator[Tree]:
    """What one version of a unit needs of its own, in the order to apply it; network policies are apart.

    Raises FreeholdError `kubernetes_config_too_large`, and what `volumes` raises.
    """
    if unit.files:
        yield config_map(deployment, unit)
    yield service(deployment, unit)
    for copies in copies_of(deployment, unit):
        yield _workload(deployment, unit, copies)
        if copies.most is not None:
            yield autoscaler(deployment, unit, copies.name, copies.least, copies.most)
    if max(unit.scale.least, unit.scale.most or 1) > 1:
        yield _budget(deployment, unit)


def config_map(deployment: Deployment, unit: Unit) -> Tree:
    """The files of a unit. Those of a version never change; the gateway's is the one that a rollout rewrites."""
    size = sum(len(text.encode("utf-8")) for text in unit.files.values())
    if size > LARGEST_CONFIG:
        raise FreeholdError("kubernetes_config_too_large", service=unit.name, size=size, limit=LARGEST_CONFIG)
    data = {config_key(path): text for path, text in sorted(unit.files.items())}
    return of_unit(deployment, unit, "v1", "ConfigMap", data=data)


def service(deployment: Deployment, unit: Unit) -> Tree:
    """The name by which others reach this version of a unit; of the gateway: whatever its version."""
    ports = [{"name": name, "port": port, "targetPort": name} for name, port in ports_of(unit).items()]
    return of_unit(deployment, unit, "v1", "Service", spec={"selector": pod_selector(unit), "ports": ports})


def _workload(deployment: Deployment, unit: Unit, copies: Copies) -> Tree:
    template = pod(deployment, unit)
    template["metadata"]["labels"][WORKLOAD] = copies.name
    if deployment.settings.spot is not None:
        _place(template["spec"], deployment.settings.spot, copies)
    # an autoscaler owns the number: two owners would take turns
    number = {} if copies.most is not None else {"replicas": copies.least}
    spec = number | {
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": unit.startup_s + _PULLING_S,
        "selector": {"matchLabels": pod_selector(unit) | {WORKLOAD: copies.name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return of_unit(deployment, unit, "apps/v1", "Deployment", copies.name, spec=spec)


def _place(pod_spec: Tree, spot: Spot, copies: Copies) -> None:
    """On nodes that may be taken away, whose taint is tolerated, or on all but these."""
    if copies.spot:
        toleration = {"key": spot.key, "operator": "Equal", "value": spot.value}
        tolerations = [toleration | {"effect": effect} for effect in ("NoSchedule", "PreferNoSchedule")]
        pod_spec["tolerations"] = [*pod_spec.get("tolerations", ()), *tolerations]
    operator = "In" if copies.spot else "NotIn"
    term = {"matchExpressions": [{"key": spot.key, "operator": operator, "values": [spot.value]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    pod_spec["affinity"] = {"nodeAffinity": required}


def _budget(deployment: Deployment, unit: Unit) -> Tree:
    """Of several copies one at a time may be drained. A single one has no budget: it could only block the drain."""
    spec: Tree = {"maxUnavailable": 1, "selector": {"matchLabels": pod_selector(unit)}}
    if has_eviction_policy(deployment.settings):
        spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
    return of_unit(deployment, unit, "policy/v1", "PodDisruptionBudget", spec=spec)
