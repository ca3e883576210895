"""What runs beside a Dify for a while: a pod that only has the files of a service, a Job with another program."""

import hashlib
import json
from collections.abc import Sequence

from lightkube.resources.core_v1 import Pod

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.naming import DIFY, OURS, host_of, of_dify, of_service
from freehold.deploy.kubernetes.dify.pods import pod
from freehold.deploy.kubernetes.dify.workloads import MIGRATING_S, STARTING_S
from freehold.deploy.kubernetes.naming import COMPONENT, INSTANCE, NAME, PART_OF, Tree
from freehold.deploy.kubernetes.reasons import Reason, why
from freehold.deploy.kubernetes.seeing import seen
from freehold.deploy.kubernetes.watch import states
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.service import Installation, Service
from freehold.errors import FreeholdError

BESIDE = "files-of-dify"
"""What these pods are, for whoever looks for them: no Service and no policy selects them."""
_LASTS_S = 86_400
"""Then it ends by itself, and its volume is free."""
_SERVER = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "args", "env", "envFrom")
"""What a container has that serves."""


def files_pod(deployment: Deployment, dify: Installation, service: Service) -> Tree:
    """A pod of the service's own image, user and volumes that only sleeps: it knows no secret, and serves nobody."""
    spec = pod(deployment, dify, service)["spec"]
    container = {key: value for key, value in spec["containers"][0].items() if key not in _SERVER}
    kept = {volume.name for volume in service.volumes}
    container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] in kept]
    container["command"] = ["sleep", str(_LASTS_S)]
    spec = {key: value for key, value in spec.items() if key not in ("initContainers", "topologySpreadConstraints")}
    spec |= {"containers": [container], "volumes": [one for one in spec["volumes"] if one["name"] in kept]}
    spec |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}  # `sleep` hears no SIGTERM there
    made = of_dify(deployment, dify, "v1", "Pod", files_name(service.name), spec=spec)
    made["metadata"]["labels"] = {NAME: DIFY, **OURS, INSTANCE: files_name(service.name), COMPONENT: BESIDE}
    return made


def files_name(service: str) -> str:
    """The pod's name."""
    return f"{host_of(service)}-files"


def start_files_pod(api: Api, tree: Tree, look_s: float = 2.0) -> str:
    """Have it run; its name. One that a killed run left is used again.

    Raises FreeholdError `dify_service_failed` with what keeps it from starting.
    """
    name = str(tree["metadata"]["name"])
    there = api.find(Pod, name)
    if there is not None and (there.status is None or there.status.phase not in ("Pending", "Running")):
        api.delete(Pod, name)
    api.create(tree)
    reason: Reason | None = None
    for found in states(api, Pod, name, STARTING_S, look_s=look_s):
        if found is not None and found.status is not None and found.status.phase == "Running":
            return name
        reason = why(seen(api, None, [found] if found is not None else []))
        if found is None or (reason is not None and reason.is_final):
            break
    remove_files_pods(api)
    fix = f"Look at it: `kubectl describe pod {name}`."
    cause, fix = (reason.error.cause, reason.error.fix) if reason else ("The cluster does not say why.", fix)
    raise FreeholdError("dify_service_failed", service=name, cause=cause, fix=fix)


def remove_files_pods(api: Api) -> None:
    """Take all of them away."""
    for one in api.all(Pod, labels={PART_OF: DIFY, COMPONENT: BESIDE})[0]:
        assert one.metadata is not None, "what a server stores has metadata"
        api.delete(Pod, str(one.metadata.name))


def step_job(deployment: Deployment, dify: Installation, service: Service, words: Sequence[str]) -> Tree:
    """A Job that runs `words` where the migration runs: its image, variables, volumes, and whom it reaches."""
    template = pod(deployment, dify, service)
    container = {key: value for key, value in template["spec"]["containers"][0].items() if key != "args"}
    template["spec"] |= {"containers": [container | {"command": list(words)}], "restartPolicy": "Never"}
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": MIGRATING_S, "template": template}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{host_of('step')}-{dify.version.replace('.', '-')}-{digest}"
    return of_service(deployment, dify, service, "batch/v1", "Job", name, spec=spec)
