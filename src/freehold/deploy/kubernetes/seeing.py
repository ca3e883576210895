"""What a cluster knows of a service that is not ready, gathered for `reasons`."""

from collections.abc import Sequence

from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.apps_v1 import Deployment as Workload
from lightkube.resources.core_v1 import Event, Pod

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.reasons import Seen

LINES = 200
"""The last lines of a container: a traceback, or the table of a check."""


def seen(api: Api, workload: Workload | None, pods: Sequence[Pod]) -> Seen:
    """The events of `pods`, and the last lines of those that began and are not ready."""
    names = {pod.metadata.name for pod in pods if pod.metadata is not None}
    events, _ = api.all(Event)
    about = [event for event in events if event.involvedObject.name in names]
    logs = {name: last_lines(api, pod) for pod in pods if (name := _name(pod)) and not _is_ready(pod)}
    return Seen(workload, pods, about, logs)


def last_lines(api: Api, pod: Pod) -> tuple[str, ...]:
    """What the container of a pod that failed, or else the last one that began, wrote last; () where none began."""
    status = pod.status
    if status is None:
        return ()
    every = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
    begun = [one for one in every if _has_begun(one)]
    failed = [one for one in begun if not one.ready and not _is_done(one)]
    chosen = (failed or begun)[-1:]
    return tuple(line for one in chosen for line in api.log(_name(pod), container=one.name, tail=LINES))


def _has_begun(container: ContainerStatus) -> bool:
    state = container.state
    return bool(container.restartCount or (state and (state.running or state.terminated)))


def _is_done(container: ContainerStatus) -> bool:
    """It did what it was for: a container that runs before the others."""
    ended = container.state.terminated if container.state else None
    return ended is not None and ended.exitCode == 0


def _is_ready(pod: Pod) -> bool:
    conditions = (pod.status.conditions if pod.status else None) or ()
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def _name(pod: Pod) -> str:
    return (pod.metadata.name if pod.metadata else None) or ""
