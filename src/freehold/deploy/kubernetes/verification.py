"""The Job that checks a new version's artifacts in its own image, beside what runs and before anything is replaced."""

from collections.abc import Iterator

from freehold.deploy.kubernetes.naming import INSTANCE, Tree, further, of_unit
from freehold.deploy.kubernetes.network import pulling_rules
from freehold.deploy.kubernetes.pods import CONTAINER, contained, environment_of, pod, scratch
from freehold.deploy.kubernetes.workloads import config_map
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit

DOCTOR = "doctor"
"""The container before it, which says of the node what does not fit."""

_PULLING_S = 600
_KEPT_S = 3600


def verification(deployment: Deployment, unit: Unit) -> Iterator[Tree]:
    """What verifies `unit`, in the order to apply it: its files, its way to the registry, and the Job, called
    `verification_name(unit)`, with the configuration, volumes and resources of its pods.

    Nothing for units that are not ours: what other servers load is not known before they load it.
    """
    if unit.role != "models":
        return
    name = verification_name(unit)
    selector = {INSTANCE: name}
    yield config_map(deployment, unit)
    if unit.pulls:
        way = {"podSelector": {"matchLabels": selector}, "policyTypes": ["Egress"], "egress": pulling_rules(unit)}
        yield of_unit(deployment, unit, "networking.k8s.io/v1", "NetworkPolicy", name, spec=way)
    template = pod(deployment, unit)
    template["metadata"]["labels"] |= selector  # no Service and no policy of the unit knows these pods
    del template["metadata"]["annotations"]
    inside = template["spec"]
    mounts = inside["containers"][0]["volumeMounts"]
    environment = environment_of(unit)
    words = ("check", *unit.command[1:2])  # of the file that `serve` is started with
    inside["containers"] = [contained(unit, CONTAINER, words, environment, mounts)]
    inside["initContainers"] = [_doctor(unit, environment, mounts), *inside.get("initContainers", ())]
    inside["restartPolicy"] = "Never"
    for serving in ("topologySpreadConstraints", "terminationGracePeriodSeconds"):
        del inside[serving]
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": unit.startup_s + _PULLING_S,
        "ttlSecondsAfterFinished": _KEPT_S,
        "template": template,
    }
    yield of_unit(deployment, unit, "batch/v1", "Job", name, spec=spec)


def verification_name(unit: Unit) -> str:
    """The name of the Job, and the instance label of its pods."""
    return further(unit, "verify")


def _doctor(unit: Unit, environment: list[Tree], mounts: list[Tree]) -> Tree:
    """It judges the node, so it has no bounds of its own but the accelerators that it must see."""
    words = ("doctor", "--profile", "minimal")
    container = contained(unit, DOCTOR, words, environment, scratch(mounts))
    resources: Tree = {"requests": container["resources"]["requests"]}
    if unit.gpus is not None:
        resources["limits"] = {unit.gpus.resource: unit.gpus.count}
    return container | {"resources": resources}
