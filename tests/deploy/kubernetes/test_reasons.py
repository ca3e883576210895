"""Why a service is not ready, from the words of a cluster."""

from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Event, Pod

from freehold.cli.output import LABELS, Output
from freehold.deploy.kubernetes.reasons import Seen, failed_rows, is_ready, why
from freehold.errors import FreeholdError

NAME = "bge-1"
GPUS = "0/3 nodes are available: 1 node(s) had untolerated taint {x: y}, 2 Insufficient nvidia.com/gpu. preemption: 0/3"
CLAIM = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are available"
MOUNT = 'MountVolume.SetUp failed for volume "secrets" : secret "freehold-corp-key" not found'
DENIED = 'Failed to pull image "r/f:1": failed to authorize: failed to fetch anonymous token: 401 Unauthorized'
ABSENT = 'Failed to pull image "r/f:1": rpc error: code = NotFound desc = failed to pull: r/f:1: not found'
SLOW = 'Failed to pull image "r/f:1": dial tcp 10.1.1.1:443: i/o timeout'
WRONG_CPU = "exec container process `/usr/bin/freehold`: exec format error"


def deployment(generation: int = 1, replicas: int | None = 1, **status: Any) -> Deployment:
    """A Deployment with a status."""
    template = {"metadata": {}, "spec": {"containers": []}}
    spec = {"selector": {}, "template": template} | ({} if replicas is None else {"replicas": replicas})
    return Deployment.from_dict({"metadata": {"name": NAME, "generation": generation}, "spec": spec, "status": status})


def pod(phase: str = "Running", conditions: list[Any] | None = None, init: bool = False, **container: Any) -> Pod:
    """A pod whose one container, or the one before it, is so."""
    spec = {"name": "server", "image": "r/f:1", "resources": {"limits": {"memory": "4Gi"}}}
    told = {"name": "server", "image": "r/f:1", "imageID": "", "ready": False, "restartCount": 0, **container}
    containers = {"containers": [] if init else [spec]} | ({"initContainers": [spec]} if init else {})
    statuses = {"initContainerStatuses" if init else "containerStatuses": [told]}
    status = {"phase": phase, "conditions": conditions or []} | (statuses if container else {})
    return Pod.from_dict({"metadata": {"name": "p"}, "spec": containers, "status": status})


def event(reason: str, message: str) -> Event:
    """What the kubelet or a controller told of the pod."""
    return Event.from_dict(
        {"metadata": {"name": "e"}, "involvedObject": {"name": "p"}, "reason": reason, "message": message}
    )


def unplaced(words: str) -> Pod:
    """A pod without a node."""
    return pod("Pending", [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}])


def ended(code: int, reason: str = "Error", message: str = "", restarts: int = 3, **more: Any) -> Pod:
    """A pod whose container ended and waits to be started again."""
    last = {"exitCode": code, "reason": reason} | ({"message": message} if message else {})
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    return pod(state=waiting, lastState={"terminated": last}, restartCount=restarts, **more)


def waiting(reason: str, message: str = "") -> Pod:
    """A pod whose container does not begin."""
    return pod("Pending", state={"waiting": {"reason": reason, "message": message}})


PULLING = waiting("ImagePullBackOff", "Back-off pulling image")
OURS = Output().told(FreeholdError("config_not_found", path="/etc/freehold/x.yaml"), LABELS["en"].error)


@pytest.mark.parametrize(
    ("pods", "events", "lines", "code", "words", "is_final"),
    [
        (PULLING, [("Failed", DENIED)], [], "cluster_image_refused", ["r/f:1", "401", "deploy.pull_secrets"], True),
        (PULLING, [("Failed", ABSENT)], [], "cluster_image_absent", ["r/f:1", "deploy.registry"], True),
        (PULLING, [("Failed", SLOW)], [], "cluster_image_unreachable", ["i/o timeout", "mirror"], False),
        (waiting("InvalidImageName", "couldn't parse"), [], [], "cluster_image_absent", ["couldn't parse"], True),
        (ended(137, "OOMKilled"), [], [], "cluster_memory", ["4Gi", "memory_mb"], True),
        (ended(1, message=OURS), [], [], "cluster_said", ["/etc/freehold/x.yaml", "config_not_found"], True),
        (ended(1, restarts=1), [], OURS.splitlines(), "cluster_said", ["config_not_found"], False),
        (ended(139), [], ["a", "b"], "cluster_crash", ["exit code 139, SIGSEGV", "a | b"], True),
        (ended(3, message="Traceback\nboom"), [], [], "cluster_crash", ["exit code 3.", "Traceback | boom"], True),
        (ended(1, message="boom", init=True), [], [], "cluster_crash", ["server in p"], True),
        (ended(255, message=WRONG_CPU), [], [], "cluster_no_start", ["exec format error", "deploy.image"], True),
        (
            waiting("CreateContainerConfigError", 'secret "freehold-internal" not found'),
            [],
            [],
            "cluster_lacks",
            ["needs the secret freehold-internal"],
            True,
        ),
        (pod("Pending"), [("FailedMount", MOUNT)], [], "cluster_lacks", ["the secret freehold-corp-key"], True),
        (pod("Pending"), [("FailedMount", "timed out")], [], "cluster_volume", ["timed out", "describe pod p"], False),
        (
            pod("Pending"),
            [("FailedAttachVolume", "Multi-Attach error")],
            [],
            "cluster_volume",
            ["Multi-Attach error"],
            False,
        ),
        (unplaced(GPUS), [], [], "cluster_no_devices", ["None of 3 nodes", "free nvidia.com/gpu for p"], False),
        (unplaced(CLAIM), [], [], "cluster_claim_unbound", ["storageclass"], False),
        (
            unplaced('persistentvolumeclaim "models" not found'),
            [],
            [],
            "cluster_claim_unbound",
            ['"models" not found'],
            False,
        ),
        (
            unplaced("0/2 nodes are available: 2 Insufficient memory."),
            [],
            [],
            "cluster_no_room",
            ["free memory"],
            False,
        ),
        (unplaced("0/2 nodes are available: 2 node(s) had taints."), [], [], "cluster_no_node", ["taints"], False),
        (
            pod(state={"running": {}}),
            [("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")],
            ["loading"],
            "cluster_unready",
            ["statuscode: 503", "loading"],
            False,
        ),
        (
            pod(state={"running": {}}),
            [("Unhealthy", "Startup probe failed")],
            OURS.splitlines(),
            "cluster_unready",
            ["/etc/freehold/x.yaml"],
            False,
        ),
    ],
)
def test_each_stall_has_its_reason(
    pods: Pod, events: list[tuple[str, str]], lines: list[str], code: str, words: list[str], is_final: bool
) -> None:
    """What a cluster says becomes plain words, with what to do; waiting is given up only where it is in vain."""
    reason = why(Seen(deployment(), [pods], [event(*one) for one in events], {"p": lines}))
    assert reason is not None
    assert (reason.error.code, reason.is_final) == (code, is_final)
    told = f"{reason.error.cause} {reason.error.fix}"
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("pods is forbidden: exceeded quota: compute, requested: x", "cluster_quota"),
        ('pods is forbidden: violates PodSecurity "restricted:latest": y', "cluster_pod_security"),
        ('admission webhook "w" denied the request: z', "cluster_webhook_denied"),
        ("something else", "cluster_no_pods"),
    ],
)
def test_pods_that_are_never_made_are_told_too(message: str, code: str) -> None:
    """A Deployment is taken, and its pods are refused: the condition says why."""
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    reason = why(Seen(deployment(conditions=[failure])))
    assert reason is not None
    assert (reason.error.code, reason.is_final) == (code, True)


def test_a_deadline_ends_all_waiting() -> None:
    """What might have come does not come any more; without another reason the deadline is the reason."""
    over = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    late = deployment(conditions=[over])
    plain = why(Seen(late, [pod(state={"running": {}})]))
    assert plain is not None
    assert (plain.error.code, plain.is_final) == ("cluster_deadline", True)
    placed = why(Seen(late, [unplaced(GPUS)]))
    assert placed is not None
    assert (placed.error.code, placed.is_final) == ("cluster_no_devices", True)


def test_a_service_that_only_starts_has_no_reason() -> None:
    """Pods that are made, pulled or load are no trouble; neither is a container that did what it was for."""
    assert why(Seen(deployment())) is None
    assert why(Seen(deployment(), [waiting("ContainerCreating"), pod(state={"running": {}})])) is None
    assert why(Seen(None, [pod(state={"terminated": {"exitCode": 0, "reason": "Completed"}}, init=True)])) is None


def test_ready_is_what_kubectl_calls_rolled_out() -> None:
    """The newest generation was seen, and as many run of it as are wanted, and no others."""
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}

    def status(wanted: int | None = 2, generation: int = 3, **changed: int) -> Deployment:
        made = deployment(generation, wanted)
        assert made.status is not None
        for name, value in {**counts, "observedGeneration": 3, **changed}.items():
            setattr(made.status, name, value)
        return made

    assert is_ready(status())
    assert is_ready(status(wanted=None))
    assert not is_ready(status(generation=4))
    assert not is_ready(status(updatedReplicas=1))
    assert not is_ready(status(replicas=3))
    assert not is_ready(status(availableReplicas=1))
    assert not is_ready(status(wanted=3))
    assert not is_ready(status(wanted=0, replicas=0, updatedReplicas=0, availableReplicas=0))


def test_the_failed_rows_of_a_check_are_read_from_its_table() -> None:
    """What was found, and the fix that stands below it."""
    lines = [
        "ok    config          /etc/freehold/freehold.yaml: a",
        "warn  memory          1 MB free",
        "                      fix: buy some",
        "fail  verify:a        it computes something else",
        "                      -> raw",
        "                      fix: convert it again",
        "",
        "1 ok, 1 warn, 1 fail",
    ]
    assert failed_rows(lines) == ("verify:a it computes something else", "convert it again")
    assert failed_rows(lines[:3]) is None
