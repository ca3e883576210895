"""A Dify as it is put into a namespace of a cluster, looked at and taken away; its data and secrets stay."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lightkube.resources.apps_v1 import Deployment as Workload
from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Pod

from freehold.deploy.kubernetes.api import Api, resource_of
from freehold.deploy.kubernetes.dify.aside import remove_files_pods, step_job
from freehold.deploy.kubernetes.dify.holding import forget, is_held
from freehold.deploy.kubernetes.dify.naming import OURS, host_of
from freehold.deploy.kubernetes.dify.objects import dify_objects, dify_of
from freehold.deploy.kubernetes.dify.secrets import (
    check_dify_secrets,
    states_of_secrets,
    version_of,
    write_dify_secrets,
    write_version,
)
from freehold.deploy.kubernetes.dify.workloads import MIGRATING_S, STARTING_S
from freehold.deploy.kubernetes.naming import INSTANCE, PART_OF, Tree
from freehold.deploy.kubernetes.reasons import Reason, is_ready, why
from freehold.deploy.kubernetes.seeing import seen
from freehold.deploy.kubernetes.watch import states
from freehold.deploy.lines import together
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.target import Running
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError

KINDS = (
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
)
"""What is no data, in the order in which it goes: databases after those who write to them."""


READ = "freehold/secrets"
"""The annotation of pods that says in which state they read the user's own secrets."""


class DifyOnCluster:
    """The Dify in the namespace of `api`. `environ` has what secrets refer to; `force` takes over others' fields;
    `check` raises before a change where somebody else changes it; so often, in seconds, `look_s` asks what keeps a pod
    from starting.

    Every method may block, and raises FreeholdError.
    """

    def __init__(
        self,
        api: Api,
        environ: Mapping[str, str],
        *,
        force: bool = False,
        check: Callable[[], None] = lambda: None,
        look_s: float = 2.0,
    ) -> None:
        self._api = api
        self._environ = environ
        self._force = force
        self._check = check
        self._look_s = look_s

    def version(self) -> str | None:
        """The release of Dify whose data is there; None where there is none."""
        return version_of(self._api)

    def verify(self, deployment: Deployment) -> None:
        """All that the Dify of `deployment` takes can be had. Nothing is changed.

        Raises `dify_secrets_lost`, `dify_public_default`, `cluster_secret_missing`, and what
        `dify_objects` raises.
        """
        dify = dify_of(deployment)
        if dify is None:
            return
        tuple(dify_objects(deployment, dify))
        check_dify_secrets(self._api, dify, self._environ)

    def start(self, deployment: Deployment, say: Callable[[str], None] = lambda _text: None) -> None:
        """Put it there, or change what is there, after what `Cluster.start` makes; returns when all of it is ready.

        Where `deployment` has none, what is there is taken away. All that needs the migration comes after it: one that
        fails leaves the services that run as they are. Raises `dify_job_failed`, `dify_service_failed`, and as
        `verify`.
        """
        dify = dify_of(deployment)
        if dify is None:
            if self._all(Workload):
                self.stop()
            return
        self.migrate(deployment, say)
        remove_files_pods(self._api)
        trees = self._trees(deployment)
        for tree in trees[_through_jobs(trees) :]:
            self._apply(tree)
        for tree in trees:
            if tree["kind"] == "Deployment":
                say(f"waiting for {tree['metadata']['name']}")
                self._await(tree["metadata"]["name"])
        self._remove({(tree["kind"], tree["metadata"]["name"]) for tree in trees})

    def hosts(self, deployment: Deployment) -> Mapping[str, str]:
        """Its services, jobs aside, each with `dify-` before its name."""
        dify = dify_of(deployment)
        services = dify.services if dify is not None else ()
        return {one.name: host_of(one.name) for one in services if one.kind == "server"}

    def lay(self, deployment: Deployment) -> None:
        """The secrets that its Dify takes, beside those that are there. Starts nothing. Raises as `verify`."""
        self.verify(deployment)
        write_dify_secrets(self._api, deployment, _dify(deployment), self._environ)

    def migrate(self, deployment: Deployment, say: Callable[[str], None] = lambda _text: None) -> None:
        """All up to the migration's end, and nothing that comes after it. Raises as `start`."""
        self.lay(deployment)
        dify = _dify(deployment)
        trees = self._trees(deployment)
        say(f"bringing Dify's database to {dify.version}")
        for tree in trees[: _through_jobs(trees)]:
            self._apply(tree)
            if tree["kind"] == "Job":
                self._await_job(tree["metadata"]["name"])
        write_version(self._api, dify)

    def run(self, deployment: Deployment, words: Sequence[str]) -> None:
        """Run a program once where the migration runs. Raises `dify_job_failed`."""
        dify = _dify(deployment)
        for service in (one for one in dify.services if one.kind == "job"):
            job = step_job(deployment, dify, service, words)
            self._api.delete(Job, job["metadata"]["name"])
            self._apply(job)
            self._await_job(job["metadata"]["name"])

    def running(self) -> Sequence[Running]:
        """Its services as they are, jobs aside, by the names of their hosts."""
        servers = [self._state(one) for one in self._all(Workload)]
        databases = [
            Running(_name(one), "ready" if one.status and one.status.readyReplicas else "starting")
            for one in self._all(StatefulSet)
        ]
        return sorted((*servers, *databases), key=lambda one: one.host)

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that a service wrote, with the pod's name where it has more. Raises `cluster_service_unknown`."""
        found = self._api.all(Pod, labels={PART_OF: OURS[PART_OF], INSTANCE: host})[0]
        if not found:
            known = ", ".join(one.host for one in self.running()) or "-"
            raise FreeholdError("cluster_service_unknown", service=host, known=known)
        return together({pod: self._api.log(pod, follow=follow, tail=tail) for pod in map(_name, found)})

    def stop(self) -> None:
        """Take it away. Claims with all data stay, and the Secrets without which nobody can read it."""
        self._remove(set())
        remove_files_pods(self._api)

    def _trees(self, deployment: Deployment) -> Sequence[Tree]:
        """All its objects, after its secrets. Pods are made anew when those of the user's own that they read change:
        by their state, never by their values."""
        dify = _dify(deployment)
        trees, states = tuple(dify_objects(deployment, dify)), states_of_secrets(self._api, dify)
        for tree in (tree for tree in trees if tree["kind"] == "Deployment"):
            if state := states.get(tree["metadata"]["name"]):
                tree["spec"]["template"]["metadata"]["annotations"][READ] = state
        return trees

    def _apply(self, tree: Tree) -> None:
        """A Job that failed is made anew: it cannot be tried again. A service that a backup or an upgrade held, also
        one that was killed, has its copies again: the field was ours."""
        self._check()
        name = tree["metadata"]["name"]
        if tree["kind"] == "Job" and _ends(self._api.find(Job, name)) == "Failed":
            self._api.delete(Job, name)
        held = tree["kind"] == "Deployment" and is_held(self._api, name)
        self._api.apply(tree, force=self._force or held)
        if held:
            forget(self._api, name)

    def _await_job(self, name: str) -> None:
        reason: Reason | None = None
        for job in states(self._api, Job, name, MIGRATING_S + STARTING_S, look_s=self._look_s):
            end = _ends(job)
            if end == "Complete":
                return
            reason = why(seen(self._api, None, self._pods(job)))
            if job is None or end == "Failed" or (reason is not None and reason.is_final):
                break
        raise _failed("dify_job_failed", reason, service=name)

    def _await(self, name: str) -> None:
        reason: Reason | None = None
        for found in states(self._api, Workload, name, STARTING_S, look_s=self._look_s):
            if found is not None and is_ready(found):
                return
            reason = why(seen(self._api, found, self._pods(found)))
            if found is None or (reason is not None and reason.is_final):
                break
        raise _failed("dify_service_failed", reason, service=name)

    def _state(self, workload: Workload) -> Running:
        if is_ready(workload):
            return Running(_name(workload), "ready")
        reason = why(seen(self._api, workload, self._pods(workload)))
        if reason is None:
            return Running(_name(workload), "starting")
        return Running(_name(workload), "failed" if reason.is_final else "starting", reason.error)

    def _remove(self, wanted: Iterable[tuple[str, str]]) -> None:
        """All that is not `wanted`: jobs of other versions, services that the configuration no longer has."""
        self._check()
        kept = set(wanted)
        for version, kind in KINDS:
            resource = resource_of(version, kind)
            for one in self._all(resource):
                if (kind, _name(one)) not in kept:
                    self._api.delete(resource, _name(one))

    def _all(self, kind: Any) -> list[Any]:
        """Who never had a Dify may not be allowed to ask for its databases: there are none."""
        try:
            return self._api.all(kind, labels=OURS)[0]
        except FreeholdError as error:
            if kind is not StatefulSet or error.code != "cluster_forbidden":
                raise
            return []

    def _pods(self, owner: Workload | Job | None) -> list[Pod]:
        labels = (owner.metadata.labels if owner is not None and owner.metadata else None) or {}
        if INSTANCE not in labels:
            return []
        selected = {PART_OF: OURS[PART_OF], INSTANCE: str(labels[INSTANCE])}
        if isinstance(owner, Job):
            selected["job-name"] = _name(owner)
        return self._api.all(Pod, labels=selected)[0]


def _dify(deployment: Deployment) -> Installation:
    dify = dify_of(deployment)
    assert dify is not None, "who asks for one thing of a Dify has one"
    return dify


def _through_jobs(trees: Sequence[Tree]) -> int:
    """How many of them come before what needs the migration."""
    return max((number for number, tree in enumerate(trees, 1) if tree["kind"] == "Job"), default=0)


def _ends(job: Job | None) -> str:
    """`Complete`, `Failed`, or "" for one that goes on."""
    conditions = (job.status.conditions if job is not None and job.status else None) or ()
    return next((one.type for one in conditions if one.status == "True" and one.type in ("Complete", "Failed")), "")


def _failed(code: str, reason: Reason | None, **about: str) -> FreeholdError:
    if reason is None:
        cause, fix = "The cluster does not say why.", f"Look at it: `kubectl describe {about['service']}`."
    else:
        cause, fix = reason.error.cause, reason.error.fix
    return FreeholdError(code, **about, cause=cause, fix=fix)


def _name(found: Any) -> str:
    return str(found.metadata.name)
