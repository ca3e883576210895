"""A Kubernetes cluster as the place where a rollout puts services: one namespace of it.

Everything is applied by server-side apply as the manager `freehold`: what others own stays theirs, and a conflict is an
error that names them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from lightkube.resources.apps_v1 import Deployment as Workload
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Node, Pod, Secret, ServiceAccount

from freehold.config.labels import GATEWAY
from freehold.deploy.kubernetes import lease
from freehold.deploy.kubernetes.api import FOREIGN, Api, resource_of
from freehold.deploy.kubernetes.checking import check_artifacts
from freehold.deploy.kubernetes.dify.cluster import DifyOnCluster
from freehold.deploy.kubernetes.naming import (
    ACCOUNT,
    INSTANCE,
    MANAGED_BY,
    NAME,
    PART_OF,
    VERSION,
    Tree,
    namespace_of,
    secret_of,
)
from freehold.deploy.kubernetes.objects import objects_of, shared
from freehold.deploy.kubernetes.reasons import is_ready, why
from freehold.deploy.kubernetes.scaling import grown
from freehold.deploy.kubernetes.secret_objects import read_secret, secret_values, write_secrets
from freehold.deploy.kubernetes.seeing import seen
from freehold.deploy.kubernetes.tenancy import foundation
from freehold.deploy.kubernetes.watch import states
from freehold.deploy.kubernetes.workloads import config_map, unit_objects
from freehold.deploy.lines import together
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.told import readiness
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Running
from freehold.errors import FreeholdError

READ_BY = "freehold/configuration"
"""The annotation of gateway pods that makes the kubelet look at their ConfigMap now, and not in a minute."""

OF_A_VERSION = (
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "ConfigMap"),
)
"""What one version of a unit has, in the order in which it goes: nothing may start copies while they end."""
OF_ALL = (("networking.k8s.io/v1", "Ingress"), ("networking.k8s.io/v1", "NetworkPolicy"), *FOREIGN)
"""What all versions share and is no data: it goes with the last of them."""

_WORKLOAD, _BUDGET = "Deployment", "PodDisruptionBudget"
_ASK_S = 300.0  # a golden of a model that generates text takes its time
_ENDING_S = 60.0  # beyond its grace time, until a pod that ends is gone


class Cluster:
    """The deployment `name` in the namespace of `api`; see `Target`.

    `environ` has what secrets refer to. `key` opens the gateway, where the configuration names one: else the one that
    the deployment made does. `force` takes over fields that others own; `term` is that of its Lease.
    """

    def __init__(
        self,
        api: Api,
        name: str,
        environ: Mapping[str, str],
        *,
        key: str | None = None,
        force: bool = False,
        term: lease.Term = lease.USUAL,
    ) -> None:
        self._api = api
        self._name = name
        self._environ = environ
        self._key = key
        self._force = force
        self._term = term
        self._hold: lease.Hold | None = None
        self._wanted = ""
        self._most = Counter[str]()
        self._least: dict[str, int] = {}

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Change it alone, whichever machine others deploy from. Raises `cluster_held`.

        The namespace is made where it is not there: nothing can be held in none.
        """
        with ExitStack() as stack:
            try:
                self._hold = stack.enter_context(lease.held(self._api, self._name, what, self._term))
            except FreeholdError as error:
                if error.code != "cluster_namespace_missing":
                    raise
                self._found([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._api.namespace}}])
                self._hold = stack.enter_context(lease.held(self._api, self._name, what, self._term))
            stack.callback(self._let_go)
            yield

    @property
    def dify(self) -> DifyOnCluster:
        """The Dify beside the models: `start` has made its namespace, and the door to models."""
        return DifyOnCluster(self._api, self._environ, force=self._force, check=self._check_hold)

    def running(self) -> Sequence[Running]:
        """What of this deployment is there now, whatever made it, the gateway included."""
        scalers = self._api.all(HorizontalPodAutoscaler, labels={PART_OF: self._name})[0]
        least = {one.spec.scaleTargetRef.name: one.spec.minReplicas or 1 for one in scalers if one.spec}
        return [self._state(one, least.get(_name(one))) for one in self._workloads() if _is_main(one)]

    def nodes(self) -> Sequence[Node]:
        """The machines of the cluster. Raises `cluster_forbidden` where they may not be asked for."""
        return self._api.nodes()

    def verify(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Have each new image check its artifacts, by a Job beside what runs that is gone afterwards."""
        self._check_hold()
        self._prepare(deployment)
        check_artifacts(self._api, deployment, units)

    def start(self, deployment: Deployment, units: Sequence[Unit]) -> None:
        """Apply `units` beside all that runs, after what they all need. A gateway keeps the file that it has."""
        self._check_hold()
        self._prepare(deployment)
        for tree in shared(deployment):
            self._api.apply(tree, force=self._force)
        for unit in units:
            keeps_file = unit.role == "gateway" and self._api.find(Workload, GATEWAY) is not None
            for tree in objects_of(deployment, unit):
                if not (keeps_file and tree["kind"] == "ConfigMap"):
                    self._api.apply(tree, force=self._force)

    def scale(self, deployment: Deployment, units: Sequence[Unit], places: Mapping[str, str], percent: int) -> str:
        """Raise the floor of autoscalers; a fixed number is brought to what is configured where `percent` is 0.

        Counted by the most copies that an old version had on the way: it shrinks while its requests leave it.
        """
        self._check_hold()
        workloads = self._workloads()
        if percent == 0:
            self._fix_numbers(deployment, [unit for unit in units if unit.scale.most is None], workloads)
        there = Counter[str]()
        for workload in workloads:
            there[_host(workload)] += (workload.status.availableReplicas or 0) if workload.status else 0
        lacking = []
        for unit in (unit for unit in units if unit.scale.most is not None):
            old = places.get(unit.host, "")
            self._most[old] = max(self._most[old], there[old])
            wanted = grown(unit, self._most[old], percent)
            least = wanted.scale.least
            if self._least.get(unit.host) != least:
                for tree in unit_objects(deployment, wanted):
                    if tree["kind"] == "HorizontalPodAutoscaler":
                        self._api.apply(tree, force=self._force)
                self._least[unit.host] = least
            if there[unit.host] < least:
                lacking.append(f"{unit.host} has {there[unit.host]} of {least}")
        return ", ".join(lacking)

    def _fix_numbers(self, deployment: Deployment, units: Sequence[Unit], workloads: Iterable[Workload]) -> None:
        """A version that stays may have been given another number, or an autoscaler, by a release before."""
        hosts = {unit.host for unit in units}
        for scaler in self._api.all(HorizontalPodAutoscaler, labels={PART_OF: self._name})[0]:
            if _host(scaler) in hosts:
                self._api.delete(HorizontalPodAutoscaler, _name(scaler))
        there = {_name(one): one.spec.replicas if one.spec else None for one in workloads}
        for unit in units:
            trees = [tree for tree in unit_objects(deployment, unit) if tree["kind"] in (_WORKLOAD, _BUDGET)]
            known = [tree for tree in trees if tree["kind"] == _WORKLOAD and tree["metadata"]["name"] in there]
            if any(tree["spec"]["replicas"] != there[tree["metadata"]["name"]] for tree in known):
                for tree in trees:
                    self._api.apply(tree, force=self._force)

    def route(self, deployment: Deployment, text: str) -> None:
        """Give the gateways the configuration `text`: in the ConfigMap that they have mounted."""
        self._check_hold()
        (path,) = deployment.gateway.files
        self._api.apply(config_map(deployment, replace(deployment.gateway, files={path: text})), force=self._force)
        self._wanted = hashlib.sha256(text.encode("utf-8")).hexdigest()
        for pod in self._pods(GATEWAY):
            self._api.merge(Pod, _name(pod), {"metadata": {"annotations": {READ_BY: self._wanted[:16]}}})

    def stop(self, hosts: Sequence[str]) -> None:
        """Take these away and all that is theirs alone, once their pods have ended; with the last one the way in too.

        Model files and secrets stay.
        """
        self._check_hold()
        going = {_service(one): one for one in self._workloads() if _host(one) in hosts}
        for kind in OF_A_VERSION:
            for service in going:
                self._remove(kind, {PART_OF: self._name, INSTANCE: service})
        if going and not self._workloads():
            for kind in OF_ALL:
                self._remove_shared(kind)

    def forget(self, secrets: Iterable[str]) -> None:
        """Remove these Secrets."""
        for name in secrets:
            self._api.delete(Secret, name)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request to the gateway, through the API server: status and body.

        Of its readiness the copy speaks that is furthest behind, of its metrics all do, one after another.
        """
        if method == "GET" and path in ("/readyz", "/metrics"):
            return self._ask_each(path)
        scheme = "https:" if self._has_https() else ""
        sent = {"content-type": "application/json", **self._access(), **_kept(headers or {})}
        return self._api.proxied(f"services/{scheme}{GATEWAY}:http", method, path, body, sent, _ASK_S)

    def logs(self, host: str, follow: bool = False, tail: int = 100) -> Iterator[str]:
        """Lines that a service wrote, of one version or of a unit's newest; with the pod's name where it has more."""
        workloads = self._workloads()
        found = [one for one in workloads if host in (_host(one), _label(one, NAME))]
        if not found:
            known = ", ".join(sorted(map(_host, workloads))) or "-"
            raise FreeholdError("cluster_service_unknown", service=host, known=known)
        newest = max(found, key=lambda one: str(one.metadata.creationTimestamp if one.metadata else ""))
        pods = [_name(pod) for pod in self._pods(_service(newest))]
        return together({pod: self._api.log(pod, follow=follow, tail=tail) for pod in pods})

    def _prepare(self, deployment: Deployment) -> None:
        """The namespace and its accounts, where they may be made, and the secrets."""
        assert namespace_of(deployment) == self._api.namespace, "a deployment has one namespace"
        values = secret_values((*deployment.units, deployment.gateway), self._environ)
        self._found(foundation(deployment))
        write_secrets(self._api, deployment, values)

    def _found(self, trees: Iterable[Tree]) -> None:
        """Make what an administrator makes otherwise. Raises `cluster_no_foundation` where nobody has."""
        try:
            for tree in trees:
                self._api.apply(tree, force=self._force)
        except FreeholdError as error:
            if error.code != "cluster_forbidden":
                raise
            if self._api.find(ServiceAccount, ACCOUNT) is None:
                namespace = self._api.namespace
                raise FreeholdError("cluster_no_foundation", namespace=namespace, reason=error.cause) from None

    def _let_go(self) -> None:
        self._hold = None

    def _state(self, workload: Workload, least: int | None) -> Running:
        host = _host(workload)
        if is_ready(workload, least):
            return Running(host, "ready")
        if workload.spec is not None and workload.spec.replicas == 0:
            return Running(host, "stopped")
        reason = why(seen(self._api, workload, self._pods(_service(workload))))
        if reason is None:
            return Running(host, "starting")
        return Running(host, "failed" if reason.is_final else "starting", reason.error)

    def _ask_each(self, path: str) -> tuple[int, bytes]:
        """What every copy of the gateway that has begun says, in one."""
        scheme = "https:" if self._has_https() else ""
        names = [_name(pod) for pod in self._pods(GATEWAY) if pod.status and pod.status.phase == "Running"]
        port = _port(self._api.find(Workload, GATEWAY))
        answers = [
            self._api.proxied(f"pods/{scheme}{name}:{port}", "GET", path, b"", self._access(), _ASK_S) for name in names
        ]
        if not answers:
            raise FreeholdError("cluster_no_gateway", namespace=self._api.namespace)
        if path == "/readyz":
            return min(answers, key=lambda answer: _behind(answer[1], self._wanted))
        refused = [answer for answer in answers if answer[0] != 200]
        return refused[0] if refused else (200, b"".join(body for _, body in answers))

    def _access(self) -> Mapping[str, str]:
        """A key of the gateway, in the header that the API server does not take for itself."""
        if self._key is None:
            self._key = read_secret(self._api, secret_of(ACCESS)) or ""
        return {"api-key": self._key} if self._key else {}

    def _has_https(self) -> bool:
        workload = self._api.find(Workload, GATEWAY)
        container = _container(workload)
        probe = container.readinessProbe.httpGet if container is not None and container.readinessProbe else None
        return probe is not None and probe.scheme == "HTTPS"

    def _workloads(self) -> list[Workload]:
        return self._api.all(Workload, labels={PART_OF: self._name})[0]

    def _pods(self, service: str) -> list[Pod]:
        return self._api.all(Pod, labels={PART_OF: self._name, INSTANCE: service})[0]

    def _remove(self, kind: tuple[str, str], labels: Mapping[str, str]) -> None:
        """All objects of a kind; of Deployments only once their pods have ended."""
        resource = resource_of(*kind)
        found = self._api.all(resource, labels=labels)[0]
        for one in found:
            self._api.delete(resource, _name(one), waits=resource is Workload)
        for one in found if resource is Workload else ():
            for state in states(self._api, Workload, _name(one), _grace_s(one) + _ENDING_S):
                if state is None:
                    break
            else:
                raise FreeholdError("cluster_not_ending", service=_name(one))

    def _remove_shared(self, kind: tuple[str, str]) -> None:
        """What others brought the kind of may not be there, or not be allowed to who never needed it."""
        try:
            self._remove(kind, {PART_OF: self._name, MANAGED_BY: "freehold"})
        except FreeholdError as error:
            if kind not in FOREIGN or error.code not in ("cluster_kind_missing", "cluster_forbidden"):
                raise

    def _check_hold(self) -> None:
        if self._hold is not None:
            self._hold.check()


def _kept(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The API server takes an Authorization for itself; our doors know `api-key` too."""
    lower = {name.lower(): value for name, value in headers.items()}
    key = lower.pop("authorization", "").removeprefix("Bearer ")
    return {**lower, **({"api-key": key} if key else {})}


def _behind(body: bytes, wanted: str) -> tuple[bool, int]:
    """How far a gateway is: whether it serves by the wanted file, and how many models it finds ready."""
    told = readiness(body)
    if told is None:
        return False, -1
    return told.configuration == wanted, sum(model.state == "ready" for model in told.models)


def _is_main(workload: Workload) -> bool:
    """Not the one of the spot nodes beside it, which a service can be without."""
    return _name(workload) == _service(workload)


def _host(found: Workload | HorizontalPodAutoscaler) -> str:
    """`Unit.host` of what it runs, or whose number it is."""
    return f"{_label(found, NAME)}-{_label(found, VERSION)}"


def _service(workload: Workload) -> str:
    return _label(workload, INSTANCE)


def _label(found: Workload | HorizontalPodAutoscaler, label: str) -> str:
    labels = (found.metadata.labels if found.metadata else None) or {}
    return str(labels.get(label, ""))


def _name(found: Any) -> str:
    return str(found.metadata.name)


def _container(workload: Workload | None) -> Any:
    pod = workload.spec.template.spec if workload is not None and workload.spec is not None else None
    return pod.containers[0] if pod is not None else None


def _port(workload: Workload | None) -> int:
    container = _container(workload)
    return container.ports[0].containerPort if container is not None and container.ports else 8080


def _grace_s(workload: Workload) -> float:
    pod = workload.spec.template.spec if workload.spec is not None else None
    return float((pod.terminationGracePeriodSeconds if pod is not None else None) or 30)
