"""Why a service is not ready, from what the cluster says of it. Pure: objects in, an error or nothing out.

The words that are looked for are the kubelet's, the scheduler's and the controllers' of Kubernetes 1.22 to 1.36.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from lightkube.models.core_v1 import Container, ContainerState, ContainerStateTerminated, ContainerStatus
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Event, Pod

from freehold.deploy.kubernetes.refusals import admission
from freehold.deploy.services.told import last_trouble
from freehold.errors import FreeholdError

MANY_RESTARTS = 3
"""After so many ends in a row another start will not end otherwise."""
SHOWN_LINES = 5
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}

_FIX = re.compile(r" +(?:fix|解决办法): (.*)")
_LACKING = re.compile(r"\d+ Insufficient ([\w./-]*\w)")
_NODES = re.compile(r"0/(\d+) nodes are available")
_NOT_THERE = re.compile(r"(secret|configmap|persistentvolumeclaim) \"?([^\s\"]+)\"? not found", re.IGNORECASE)
_REFUSED_IMAGE = re.compile(
    r"unauthorized|denied|forbidden|authentication required|no basic auth|insufficient_scope", re.IGNORECASE
)
_NO_IMAGE = re.compile(r"not found|manifest unknown|does not exist|name unknown|InvalidImageName", re.IGNORECASE)
_NO_MATCH = re.compile(r"exec format error|no match for platform", re.IGNORECASE)


@dataclass(frozen=True)
class Seen:
    """What is known of one service: its Deployment, its pods, events, last lines by pod. Of a Job: the pods alone."""

    deployment: Deployment | None
    pods: Sequence[Pod] = ()
    events: Sequence[Event] = ()
    logs: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Reason:
    """Why a service is not ready. `is_final`: waiting changes nothing, somebody has to."""

    error: FreeholdError
    is_final: bool


def is_ready(deployment: Deployment, least: int | None = None) -> bool:
    """Whether the newest version runs in full, and no other: by the rule of `kubectl rollout status`.

    Where an autoscaler changes the number, whether there are its `least`.
    """
    spec, status = deployment.spec, deployment.status
    if least is not None:
        return status is not None and (status.availableReplicas or 0) >= least
    assert deployment.metadata is not None, "what a server stores has metadata"
    assert spec is not None, "a Deployment has a spec"
    if status is None or (status.observedGeneration or 0) < (deployment.metadata.generation or 0):
        return False
    wanted = 1 if spec.replicas is None else spec.replicas
    updated, available = status.updatedReplicas or 0, status.availableReplicas or 0
    return updated == available == (status.replicas or 0) and updated >= wanted > 0


def why(seen: Seen) -> Reason | None:
    """The first of REASONS that is found; a version whose deadline is over is not waited for in any case."""
    found = next((reason for reasons in _REASONS for reason in reasons(seen)), None)
    overdue = _condition(seen.deployment, "Progressing", "ProgressDeadlineExceeded")
    if seen.deployment is None or overdue is None:
        return found
    if found is not None:
        return Reason(found.error, is_final=True)
    return Reason(FreeholdError("cluster_deadline", service=_name(seen.deployment), words=overdue), is_final=True)


def failed_rows(lines: Iterable[str]) -> tuple[str, str] | None:
    """What failed, and the last fix, of the table that `freehold check` prints; see `cli.check`."""
    found: list[str] = []
    fix, is_failed = "", False
    for line in lines:
        if not line.startswith(" "):
            status, _, rest = line.partition(" ")
            is_failed = status == "fail"
            found += [_line(rest)] if is_failed else []
        elif is_failed and (told := _FIX.match(line)):
            fix = told[1]
    return ("; ".join(found), fix) if found else None


def _refused_pods(seen: Seen) -> Iterator[Reason]:
    """No pod is made at all: a quota, PodSecurity, a webhook."""
    words = _condition(seen.deployment, "ReplicaFailure", "FailedCreate")
    if seen.deployment is not None and words is not None:
        name = _name(seen.deployment)
        told = admission(words, name) or FreeholdError("cluster_no_pods", service=name, words=_line(words))
        yield Reason(told, is_final=True)


def _image(seen: Seen) -> Iterator[Reason]:
    """An image that cannot be pulled. A registry that does not answer may do so at the next try."""
    for pod, _, status in _containers(seen.pods):
        waiting = status.state.waiting if status.state else None
        if waiting is None or waiting.reason not in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName"):
            continue
        details = [waiting.message or "", *_events(seen, pod, "Failed")]
        words = max(details, key=lambda text: ("ack-off" not in text, len(text)))
        about = {"image": status.image, "words": _line(words)}
        if _REFUSED_IMAGE.search(words):
            yield Reason(FreeholdError("cluster_image_refused", **about), is_final=True)
        elif _NO_IMAGE.search(words) or waiting.reason == "InvalidImageName":
            yield Reason(FreeholdError("cluster_image_absent", **about), is_final=True)
        else:
            yield Reason(FreeholdError("cluster_image_unreachable", **about), is_final=False)


def _ended(seen: Seen) -> Iterator[Reason]:
    """A container that ended, and why: in its own words where it is one of ours."""
    for pod, container, status in _containers(seen.pods):
        ended = _last_end(status)
        if ended is None or not ended.exitCode or status.ready:
            continue
        lines = seen.logs.get(_name(pod), ())
        is_final = (status.restartCount or 0) >= MANY_RESTARTS or _phase(pod) == "Failed"
        about = {"pod": _name(pod), "container": status.name}
        said = last_trouble(ended.message or "") or last_trouble("\n".join(lines))
        if ended.reason == "OOMKilled":
            yield Reason(FreeholdError("cluster_memory", **about, limit=_limit(container, "memory")), is_final=True)
        elif said is not None:
            told = {"cause": said.cause, "fix": said.fix, "said": said.code}
            yield Reason(FreeholdError("cluster_said", **about, **told), is_final)
        elif ended.reason in ("ContainerCannotRun", "StartError") or _NO_MATCH.search(ended.message or ""):
            words = _line(ended.message or ended.reason or "")
            yield Reason(FreeholdError("cluster_no_start", **about, words=words), is_final)
        else:
            shown = lines[-SHOWN_LINES:] or (ended.message or "-").splitlines()[-SHOWN_LINES:]
            error = FreeholdError("cluster_crash", **about, ended=_how(ended), lines=" | ".join(map(_line, shown)))
            yield Reason(error, is_final)


def _unmade(seen: Seen) -> Iterator[Reason]:
    """A container that cannot be made: a Secret or ConfigMap that is not there."""
    for pod, _, status in _containers(seen.pods):
        waiting = status.state.waiting if status.state else None
        if waiting is not None and waiting.reason in ("CreateContainerConfigError", "CreateContainerError"):
            yield _missing(_name(pod), waiting.message or waiting.reason)


def _volumes(seen: Seen) -> Iterator[Reason]:
    """A volume that cannot be mounted; one that is only slow is mounted in the end."""
    for pod in seen.pods:
        words = [*_events(seen, pod, "FailedMount"), *_events(seen, pod, "FailedAttachVolume")]
        if words and _phase(pod) == "Pending":
            yield _missing(_name(pod), words[-1])


def _places(seen: Seen) -> Iterator[Reason]:
    """A pod for which there is no node. One may come: an autoscaler's, or one that others leave."""
    for pod in seen.pods:
        for condition in (pod.status.conditions if pod.status else None) or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                yield Reason(_unplaced(pod, condition.message or ""), is_final=False)


def _probes(seen: Seen) -> Iterator[Reason]:
    """A container that runs and is not ready: what its probe hears."""
    for pod, _, status in _containers(seen.pods):
        running = status.state.running if status.state else None
        words = _events(seen, pod, "Unhealthy")
        if running is not None and not status.ready and words:
            lines = seen.logs.get(_name(pod), ())
            told = last_trouble("\n".join(lines))
            shown = f"{told.cause} ({told.code})" if told else " | ".join(map(_line, lines[-SHOWN_LINES:])) or "-"
            about = {"pod": _name(pod), "words": _line(words[-1]), "lines": shown}
            yield Reason(FreeholdError("cluster_unready", **about), is_final=False)


_REASONS = (_refused_pods, _image, _ended, _unmade, _volumes, _places, _probes)
"""In the order in which they are asked: the nearest to the cause first."""


def _unplaced(pod: Pod, words: str) -> FreeholdError:
    """Why no node takes a pod."""
    nodes = _NODES.search(words)
    there = nodes[1] if nodes else "?"
    lacking = list(dict.fromkeys(_LACKING.findall(words)))
    devices = [what for what in lacking if "/" in what]
    if devices:
        return FreeholdError("cluster_no_devices", pod=_name(pod), resource=devices[0], nodes=there, words=_line(words))
    if "unbound immediate PersistentVolumeClaims" in words or "persistentvolumeclaim" in words:
        return FreeholdError("cluster_claim_unbound", pod=_name(pod), words=_line(words))
    if lacking:
        what = ", ".join(lacking)
        return FreeholdError("cluster_no_room", pod=_name(pod), resources=what, nodes=there, words=_line(words))
    return FreeholdError("cluster_no_node", pod=_name(pod), nodes=there, words=_line(words) or "-")


def _missing(pod: str, words: str) -> Reason:
    """What a pod needs and the namespace does not have."""
    found = _NOT_THERE.search(words)
    if found is None:
        return Reason(FreeholdError("cluster_volume", pod=pod, words=_line(words)), is_final=False)
    error = FreeholdError("cluster_lacks", pod=pod, kind=found[1].lower(), name=found[2].rpartition("/")[2])
    return Reason(error, is_final=True)


def _containers(pods: Iterable[Pod]) -> Iterator[tuple[Pod, Container | None, ContainerStatus]]:
    """Every container that has a state, those that run first before the others."""
    for pod in pods:
        if pod.status is None or pod.spec is None:
            continue
        every = {one.name: one for one in (*(pod.spec.initContainers or ()), *pod.spec.containers)}
        for status in (*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())):
            yield pod, every.get(status.name), status


def _last_end(status: ContainerStatus) -> ContainerStateTerminated | None:
    """How a container ended that has ended, or the one before it that was started again."""
    nothing = ContainerState()
    return (status.state or nothing).terminated or (status.lastState or nothing).terminated


def _how(ended: ContainerStateTerminated) -> str:
    signal = _SIGNALS.get(ended.exitCode)
    return f"exit code {ended.exitCode}" + (f", {signal}" if signal else "")


def _limit(container: Container | None, resource: str) -> str:
    limits = container.resources.limits if container is not None and container.resources is not None else None
    return str((limits or {}).get(resource, "-"))


def _events(seen: Seen, pod: Pod, reason: str) -> list[str]:
    """What was told of a pod for this reason, oldest first."""
    return [
        one.message or ""
        for one in seen.events
        if one.reason == reason and one.involvedObject.name == _name(pod) and one.message
    ]


def _condition(deployment: Deployment | None, kind: str, reason: str) -> str | None:
    """The message of a condition that is there for this reason."""
    status = deployment.status if deployment is not None else None
    for one in (status.conditions if status else None) or ():
        if one.type == kind and one.reason == reason:
            return _line(one.message or "")
    return None


def _phase(pod: Pod) -> str:
    return (pod.status.phase if pod.status else None) or ""


def _name(found: Deployment | Pod) -> str:
    return (found.metadata.name if found.metadata else None) or ""


def _line(words: str) -> str:
    return " ".join(words.split())
