"""What a cluster does with what is asked of it, as a test wants it: pods that become ready, crash, or wait for ever."""

import copy
import hashlib
import heapq
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.kinds import DEPLOYMENT, EVENT, JOB, POD, REPLICA_SET, STATEFUL_SET
from tests.kubernetes_api.refusals import RefusalError, Resource
from tests.kubernetes_api.storage import WHEN, Event, Storage

Fate = Literal["ready", "unready", "crash", "oom", "image", "unschedulable", "mount", "refused", "completed"]


@dataclass(frozen=True)
class Outcome:
    """What becomes of the pods of a Deployment or a Job."""

    fate: Fate = "ready"
    message: str = ""
    """Of the event or the container's state that says why."""
    reason: str = ""
    log: tuple[str, ...] = ()
    exit_code: int = 1
    termination: str = ""
    """What the container wrote to its termination log."""
    overdue: bool = False
    """The Deployment's progress deadline is over."""
    after_s: float = 0.02


@dataclass
class Controllers:
    """One thread that acts on objects as they are written; `outcomes` by the beginning of a name, the longest first."""

    storage: Storage
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    grace_s: float = 0.02
    logs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By pod, what it wrote."""
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _thread: threading.Thread | None = None
    _ending: bool = False

    def start(self) -> None:
        """Act from now on."""
        self.storage.on_write = self._written
        self._thread = threading.Thread(target=self._run, name="controllers")
        self._thread.start()

    def stop(self) -> None:
        """Act no more."""
        with self.storage.changed:
            self._ending = True
            self.storage.changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self.storage.changed:
                while not self._ending and (not self._due or self._due[0][0] > time.monotonic()):
                    self.storage.changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._ending:
                    return
                _, _, act = heapq.heappop(self._due)
                try:
                    act()
                except RefusalError:
                    continue  # what it was about is gone

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._count, act))

    def _written(self, resource: Resource, event: Event, written: Object) -> None:
        meta = written["metadata"]
        place = (meta.get("namespace", ""), meta["name"])
        if event == "DELETED":
            if resource is DEPLOYMENT:
                self._later(0, lambda: self._remove_pods(*place, {}))
                self._later(0, lambda: self._remove(REPLICA_SET, *place))
            return
        if resource is DEPLOYMENT and "deletionTimestamp" in meta:
            self._later(self.grace_s, lambda: self._finish_deletion(*place))
        elif resource is DEPLOYMENT and written.get("status", {}).get("observedGeneration") != meta["generation"]:
            self._later(0, lambda: self._observe(*place))
        elif resource is STATEFUL_SET and event == "ADDED":
            self._later(0, lambda: self._begin_stateful_set(*place))
        elif resource is POD and event == "ADDED" and "ownerReferences" not in meta and "spec" in written:
            self._later(self.outcome(meta["name"]).after_s, lambda: self._begin_pod(*place))
        elif resource is JOB and event == "ADDED":
            self._later(0, lambda: self._begin_job(*place))
        elif resource.kind == "HorizontalPodAutoscaler":
            self._later(0, lambda: self._keep_floor(place[0], written["spec"]))

    def outcome(self, name: str) -> Outcome:
        """What becomes of the pods of this name."""
        fitting = [start for start in self.outcomes if name.startswith(start)]
        return self.outcomes[max(fitting, key=len)] if fitting else Outcome()

    def _observe(self, namespace: str, name: str) -> None:
        """A Deployment has a new generation: its pods begin."""
        there = self.storage.get(DEPLOYMENT, namespace, name)
        template, count = there["spec"]["template"], there["spec"].get("replicas", 1)
        hashed = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        progressing = _condition(
            "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}-{hashed}" is progressing.'
        )
        generation = there["metadata"]["generation"]
        same = self.storage.find(REPLICA_SET, namespace, f"{name}-{hashed}") is not None
        left = min(there.get("status", {}).get("availableReplicas", 0), count) if same else 0
        status = {"observedGeneration": generation, "replicas": count, "unavailableReplicas": count - left}
        status |= {"availableReplicas": left, "updatedReplicas": count, "conditions": [progressing]}
        self.storage.set_status(DEPLOYMENT, namespace, name, status)
        outcome = self.outcome(name)
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{name}-{hashed}",
            "uid": "1",
            "controller": True,
        }
        if self.storage.find(REPLICA_SET, namespace, f"{name}-{hashed}") is None:
            labels = template["metadata"]["labels"]
            spec = {"selector": there["spec"]["selector"], "template": template}
            self._make(REPLICA_SET, namespace, f"{name}-{hashed}", labels, {"spec": spec})
        if outcome.fate == "refused":
            self._tell(
                "ReplicaSet", namespace, f"{name}-{hashed}", "FailedCreate", f"Error creating: {outcome.message}"
            )
            failure = _condition("ReplicaFailure", "True", "FailedCreate", outcome.message)
            self.storage.set_status(
                DEPLOYMENT,
                namespace,
                name,
                {"observedGeneration": generation, "unavailableReplicas": count, "conditions": [progressing, failure]},
            )
        else:
            for number in range(count):
                self._make_pod(namespace, f"{name}-{hashed}-{number}", template, owner)
        self._later(outcome.after_s, lambda: self._settle(namespace, name, hashed, generation))

    def _keep_floor(self, namespace: str, spec: Object) -> None:
        """As an autoscaler does before it looks at any metric; who needs more copies is up to the test."""
        there = self.storage.get(DEPLOYMENT, namespace, spec["scaleTargetRef"]["name"])
        if there["spec"].get("replicas", 1) < spec.get("minReplicas", 1):
            self.scale(namespace, there["metadata"]["name"], spec["minReplicas"])

    def scale(self, namespace: str, name: str, copies: int) -> None:
        """So many copies of a Deployment, as an autoscaler has it."""
        there = copy.deepcopy(self.storage.get(DEPLOYMENT, namespace, name))
        there["spec"]["replicas"] = copies
        self.storage.update(DEPLOYMENT, namespace, name, there, "kube-controller-manager")

    def _settle(self, namespace: str, name: str, hashed: str, generation: int) -> None:
        """What becomes of them."""
        there, outcome = self.storage.get(DEPLOYMENT, namespace, name), self.outcome(name)
        if there["metadata"]["generation"] != generation:
            return
        count = there["spec"].get("replicas", 1)
        wanted = {f"{name}-{hashed}-{number}" for number in range(count)}
        pods = [one for one in self.storage.all(POD, namespace) if one["metadata"]["name"] in wanted]
        for pod in pods:
            self._end_pod(namespace, pod, outcome)
        status = {"observedGeneration": generation, "replicas": count, "updatedReplicas": count}
        conditions = there["status"]["conditions"]
        if outcome.fate == "ready":
            self._remove_pods(namespace, name, {one["metadata"]["name"] for one in pods})
            words = f'ReplicaSet "{name}-{hashed}" has successfully progressed.'
            conditions = [_condition("Progressing", "True", "NewReplicaSetAvailable", words)]
            status |= {"readyReplicas": count, "availableReplicas": count}
        else:
            status |= {"unavailableReplicas": count}
        if outcome.overdue:
            words = f'ReplicaSet "{name}-{hashed}" has timed out progressing.'
            conditions = [_condition("Progressing", "False", "ProgressDeadlineExceeded", words), *conditions[1:]]
        self.storage.set_status(DEPLOYMENT, namespace, name, {**status, "conditions": conditions})

    def _begin_stateful_set(self, namespace: str, name: str) -> None:
        """One pod, which a changed template leaves alone, as with the strategy OnDelete."""
        template = self.storage.get(STATEFUL_SET, namespace, name)["spec"]["template"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": "1", "controller": True}
        self._make_pod(namespace, f"{name}-0", template, owner)
        outcome = self.outcome(name)
        self._end_pod(namespace, self.storage.get(POD, namespace, f"{name}-0"), outcome)
        ready = int(outcome.fate == "ready")
        self.storage.set_status(STATEFUL_SET, namespace, name, {"replicas": 1, "readyReplicas": ready})

    def _begin_pod(self, namespace: str, name: str) -> None:
        """One that nobody else made."""
        self._end_pod(namespace, self.storage.get(POD, namespace, name), self.outcome(name))

    def _begin_job(self, namespace: str, name: str) -> None:
        job = self.storage.get(JOB, namespace, name)
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": "1", "controller": True}
        template = dict(job["spec"]["template"])
        template["metadata"] = {"labels": {**template.get("metadata", {}).get("labels", {}), "job-name": name}}
        self._make_pod(namespace, f"{name}-pod", template, owner)
        self.storage.set_status(JOB, namespace, name, {"active": 1})
        self._later(self.outcome(name).after_s, lambda: self._end_job(namespace, name))

    def _end_job(self, namespace: str, name: str) -> None:
        outcome = self.outcome(name)
        pod = self.storage.get(POD, namespace, f"{name}-pod")
        fine = outcome.fate in ("ready", "completed")
        self._end_pod(namespace, pod, Outcome("completed", log=outcome.log) if fine else outcome)
        if fine:
            self.storage.set_status(
                JOB, namespace, name, {"succeeded": 1, "conditions": [_condition("Complete", "True", "")]}
            )
        elif outcome.fate in ("crash", "oom"):
            words = "Job has reached the specified backoff limit"
            failed = _condition("Failed", "True", "BackoffLimitExceeded", words)
            self.storage.set_status(JOB, namespace, name, {"failed": 1, "conditions": [failed]})

    def _end_pod(self, namespace: str, pod: Object, outcome: Outcome) -> None:
        name = pod["metadata"]["name"]
        self.logs[name] = outcome.log
        for reason, words in _events(outcome):
            self._tell("Pod", namespace, name, reason, words)
        self.storage.set_status(POD, namespace, name, _pod_status(pod, outcome))

    def _make_pod(self, namespace: str, name: str, template: Mapping[str, Any], owner: Object) -> None:
        if self.storage.find(POD, namespace, name) is None:
            labels = template.get("metadata", {}).get("labels", {})
            self._make(POD, namespace, name, labels, {"spec": template["spec"]}, owner)
            self.storage.set_status(POD, namespace, name, {"phase": "Pending"})

    def _make(
        self, resource: Resource, namespace: str, name: str, labels: Object, body: Object, owner: Object | None = None
    ) -> None:
        meta: Object = {"name": name, "labels": dict(labels)}
        if owner is not None:
            meta["ownerReferences"] = [owner]
        self.storage.create(resource, namespace, {"metadata": meta, **body}, "kube-controller-manager")

    def _tell(self, kind: str, namespace: str, name: str, reason: str, words: str) -> None:
        about = {"kind": kind, "name": name, "namespace": namespace}
        body = {"metadata": {"generateName": f"{name}."}, "involvedObject": about, "reason": reason, "message": words}
        self.storage.create(EVENT, namespace, {**body, "type": "Warning", "lastTimestamp": WHEN}, "kubelet")

    def _finish_deletion(self, namespace: str, name: str) -> None:
        self._remove_pods(namespace, name, set())
        self.storage.delete(DEPLOYMENT, namespace, name)

    def _remove_pods(self, namespace: str, name: str, but: Mapping[str, object] | set[str]) -> None:
        self._remove(POD, namespace, name, but)

    def _remove(
        self, resource: Resource, namespace: str, name: str, but: Mapping[str, object] | set[str] = frozenset()
    ) -> None:
        """What belongs to the Deployment `name`."""
        for one in self.storage.all(resource, namespace):
            its = one["metadata"]["name"]
            parts = 2 if resource is POD else 1
            if its.rsplit("-", parts)[0] == name and its not in but:
                self.storage.delete(resource, namespace, its)


def _condition(kind: str, status: str, reason: str, message: str = "") -> Object:
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return {key: value for key, value in told.items() if value}


def _events(outcome: Outcome) -> list[tuple[str, str]]:
    if outcome.fate == "unschedulable":
        return [("FailedScheduling", outcome.message)]
    if outcome.fate == "mount":
        return [(outcome.reason or "FailedMount", outcome.message)]
    if outcome.fate == "image":
        return [("Failed", outcome.message)]
    if outcome.fate == "unready" and outcome.message:
        return [("Unhealthy", outcome.message)]
    return []


def _pod_status(pod: Object, outcome: Outcome) -> Object:
    """A pod's status as the kubelet writes it."""
    scheduled = _condition("PodScheduled", "True", "")
    if outcome.fate == "unschedulable":
        return {
            "phase": "Pending",
            "conditions": [_condition("PodScheduled", "False", "Unschedulable", outcome.message)],
        }
    state: Object = {}
    last: Object = {}
    phase, restarts = "Running", 0
    if outcome.fate == "completed":
        phase, state = "Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed"}}
    elif outcome.fate in ("ready", "unready"):
        state = {"running": {"startedAt": WHEN}}
    elif outcome.fate == "image":
        phase, state = (
            "Pending",
            {"waiting": {"reason": outcome.reason or "ImagePullBackOff", "message": outcome.message}},
        )
    elif outcome.fate == "mount":
        phase, state = "Pending", {"waiting": {"reason": "ContainerCreating"}}
    else:
        oom = outcome.fate == "oom"
        ended = {"exitCode": 137 if oom else outcome.exit_code, "reason": "OOMKilled" if oom else "Error"}
        if outcome.termination:
            ended["message"] = outcome.termination
        if pod["spec"].get("restartPolicy") == "Never":
            phase, state = "Failed", {"terminated": ended}
        else:
            words = "back-off 10s restarting failed container"
            state, last, restarts = (
                {"waiting": {"reason": "CrashLoopBackOff", "message": words}},
                {"terminated": ended},
                3,
            )
    main = pod["spec"]["containers"][0]
    told: Object = {"name": main["name"], "image": main["image"], "imageID": "", "ready": outcome.fate == "ready"}
    told |= {"restartCount": restarts, "state": state} | ({"lastState": last} if last else {})
    ready = _condition("Ready", "True" if outcome.fate == "ready" else "False", "")
    return {"phase": phase, "conditions": [scheduled, ready], "containerStatuses": [told]}
