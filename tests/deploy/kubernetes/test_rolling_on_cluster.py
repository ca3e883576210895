"""A release takes another's place on a cluster: by the order of the calls to its API server, and what gateways read."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import yaml

from freehold.config import Config
from freehold.deploy.deployment import Deployment
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import READ_BY, Cluster
from freehold.deploy.rolling import Clock, Rolling, Terms
from freehold.deploy.units import FILE, Facts
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.kubernetes_api import refusals
from tests.kubernetes_api.backend import backend
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.refusals import RefusalError, Resource
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.server import ApiServer
from tests.kubernetes_api.storage import Event

FASTER = 50.0
"""Seconds of a rollout in one of the test."""
CLOCK = Clock(lambda: time.monotonic() * FASTER, lambda seconds: time.sleep(seconds / FASTER))
TERMS = Terms(steps=(5, 50, 100), step_s=2.0, recorded=None)
REQUESTS = 1000


def release(precision: str) -> Deployment:
    """One model in a version that its precision tells apart from others, and another one that stays."""
    models = [
        {"id": "bge", "source": "/models/bge", "precision": precision},
        {"id": "other", "source": "/models/other"},
    ]
    document = {"models": models, "deploy": {"target": "kubernetes", "storage": {"claim": "models"}}}
    return Deployment.of(msgspec.convert(document, Config), {name: Facts(bytes=1000) for name in ("bge", "other")})


OLD, NEW = release("fp32"), release("int8")
(OLD_BGE, OTHER), (NEW_BGE, _) = OLD.units, NEW.units


def shares(text: str) -> dict[str, int]:
    """By service, the weight that a gateway's file gives it; of a model without a route all of its requests."""
    tree = yaml.safe_load(text)
    hosts = {one["id"]: one["source"].split("//")[1].split(":")[0] for one in tree["models"]}
    weights = dict.fromkeys(hosts.values(), 0)
    routes = {route["model"]: route["to"] for route in tree.get("routes", ())}
    for model in hosts:
        if "--" not in model:
            routes.setdefault(model, [{"id": model}])
    for targets in routes.values():
        for target in targets:
            weights[hosts[target["id"]]] += target.get("weight", 1)
    return weights


@dataclass
class Gateways:
    """Every copy of the gateway, as a program behind the API server's proxy.

    A copy reads its file when its pod was touched, as a kubelet has it. `sins` are what must never happen.
    """

    server: ApiServer
    url: str = ""
    in_force: dict[str, str] = field(default_factory=dict)
    sins: list[str] = field(default_factory=list)
    weighed: list[int] = field(default_factory=list)
    """The new version's share of a hundred, each time that a file changed it."""
    failing: set[str] = field(default_factory=set)
    """Services whose answers are errors."""
    answered: dict[tuple[str, str], int] = field(default_factory=dict)

    def hear(self, resource: Resource, event: Event, written: Object) -> None:
        """What was written to the cluster, before anybody else hears of it."""
        name = written["metadata"]["name"]
        if resource.kind == "Pod" and name.startswith("gateway-") and event != "DELETED":
            self._touched(name, written)
        elif resource.kind == "ConfigMap" and name == "gateway" and event != "DELETED":
            self._weighed(self.text())
        elif resource.kind == "Deployment" and ("deletionTimestamp" in written["metadata"] or event == "DELETED"):
            for text in self.in_force.values():
                if shares(text).get(name):
                    self.sins.append(f"{name} is stopped while it has weight")

    def text(self) -> str:
        """The file as it is written now."""
        found = self.server.object("ConfigMap", "gateway", NAMESPACE)
        return next(iter(found["data"].values())) if found else ""

    def is_ready(self, host: str) -> bool:
        """Whether that service answers."""
        found = self.server.object("Deployment", host, NAMESPACE)
        return bool(found and found.get("status", {}).get("availableReplicas"))

    def answer(self, pod: str, path: str) -> tuple[int, bytes]:
        """What a copy tells of itself."""
        text = self.in_force.get(pod, "")
        tree = yaml.safe_load(text) or {"models": []}
        hosts = {one["id"]: one["source"].split("//")[1].split(":")[0] for one in tree["models"]}
        if path == "/readyz":
            models = [
                {"id": model, "state": "ready" if self.is_ready(host) else "down"} for model, host in hosts.items()
            ]
            told = {"models": models, "configuration": sha256(text.encode()).hexdigest()}
            return 200, json.dumps(told).encode()
        for model, host in hosts.items():
            key = (model, "500" if host in self.failing else "200")
            self.answered[key] = self.answered.get(key, 0) + REQUESTS
        lines = [
            f'freehold_routed_requests_total{{route="r",model="{model}",status="{status}"}} {count}'
            for (model, status), count in self.answered.items()
        ]
        return 200, "\n".join([*lines, ""]).encode()

    def _touched(self, name: str, written: Object) -> None:
        self.server.backends[f"{NAMESPACE}/pods/{name}:8080"] = f"{self.url}/{name}"
        if name not in self.in_force or READ_BY in written["metadata"].get("annotations", {}):
            self.in_force[name] = self.text()

    def _weighed(self, text: str) -> None:
        there = shares(text)
        self.sins += [
            f"{host} has weight and is not ready" for host, weight in there.items() if weight and not self.hopes(host)
        ]
        whole = there.get(OLD_BGE.host, 0) + there.get(NEW_BGE.host, 0)
        share = round(100 * there.get(NEW_BGE.host, 0) / whole) if whole else 0
        if self.weighed[-1:] != [share]:
            self.weighed.append(share)

    def hopes(self, host: str) -> bool:
        """At the very first nothing is ready, and nothing can be asked."""
        return self.is_ready(host) or not self.server.names("Deployment", NAMESPACE) or not self.in_force


@pytest.fixture
def gateways(server: ApiServer) -> Iterator[Gateways]:
    """The copies of the gateway of that cluster."""
    made = Gateways(server)

    def answering(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        _, pod, rest = path.split("/", 2)
        return made.answer(pod, f"/{rest}")

    controllers = server.storage.on_write

    def written(resource: Resource, event: Event, body: Object) -> None:
        made.hear(resource, event, body)
        controllers(resource, event, body)

    server.storage.on_write = written
    with ExitStack() as stack:
        made.url = stack.enter_context(backend(answering))
        yield made


@pytest.fixture
def cluster(api: Api) -> Cluster:
    """The deployment, of which nothing runs yet."""
    return Cluster(api, "freehold", {})


def rolled(cluster: Cluster, old: Deployment | None, new: Deployment, terms: Terms = TERMS) -> Rolling:
    """One release takes the other's place."""
    settled: list[str] = []
    rolling = Rolling(cluster, old, new, terms, lambda: settled.append(""), CLOCK)
    rolling.run()
    assert settled == [""]
    return rolling


def failed(cluster: Cluster, code: str, terms: Terms = TERMS) -> FreeholdError:
    """The new release does not come."""
    with pytest.raises(FreeholdError) as caught:
        rolled(cluster, OLD, NEW, terms)
    assert caught.value.code == code
    return caught.value


def hosts(cluster: Cluster) -> dict[str, str]:
    """What runs, and how."""
    return {one.host: one.state for one in cluster.running()}


def ready(*units: Any) -> dict[str, str]:
    """These, and they are ready."""
    return {unit.host: "ready" for unit in units}


@pytest.fixture
def running(cluster: Cluster, gateways: Gateways) -> Gateways:
    """The old release is in force."""
    rolled(cluster, None, OLD)
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)
    gateways.weighed.clear()
    gateways.server.calls.clear()
    return gateways


def place(server: ApiServer, told: str, last: bool = False) -> int:
    """Where among all calls this one was."""
    found = [number for number, one in enumerate(server.calls) if one.told == told]
    assert found, told
    return found[-1 if last else 0]


def test_a_release_takes_the_place_of_another(server: ApiServer, cluster: Cluster, running: Gateways) -> None:
    """New beside old; weight step by step once it is ready; old ends when nothing goes there any more."""
    rolled(cluster, OLD, NEW)
    assert hosts(cluster) == ready(NEW_BGE, OTHER, NEW.gateway)
    assert running.sins == []
    assert running.weighed == [0, 5, 50, 100]
    started = place(server, f"patch deployments.apps/{NEW_BGE.host}")
    last_weight = place(server, "patch configmaps/gateway", last=True)
    stopped = place(server, f"delete deployments.apps/{OLD_BGE.host}")
    assert started < last_weight < stopped
    assert not [one.told for one in server.calls if one.verb in ("patch", "delete") and OTHER.host in one.name]
    assert set(running.in_force.values()) == {NEW.gateway.files[FILE]}


def test_a_version_that_crashes_never_gets_weight(server: ApiServer, cluster: Cluster, running: Gateways) -> None:
    """The error says what it wrote; it is taken away, and the old one never noticed."""
    told = "error: The file is broken.\n  fix: Make it anew.\n  (model_broken)\n"
    server.controllers.outcomes[NEW_BGE.host] = Outcome("crash", termination=told)
    error = failed(cluster, "deploy_unit_failed")
    assert NEW_BGE.host in error.cause
    assert "The file is broken." in error.cause
    assert error.fix == "Make it anew."
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)
    assert running.weighed == [0]
    assert running.sins == []
    assert not [one for one in server.calls if one.verb == "delete" and OLD_BGE.host in one.name]


def test_a_version_that_answers_with_errors_is_taken_back(cluster: Cluster, running: Gateways) -> None:
    """All weight is with the old one again before the new one ends."""
    running.failing.add(NEW_BGE.host)
    failed(cluster, "rollout_errors")
    assert running.weighed == [0, 5, 0]
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)
    assert running.sins == []


def at_half(gateways: Gateways, act: Callable[[], None]) -> threading.Thread:
    """Do this in the middle of the rollout."""

    def waiting() -> None:
        with gateways.server.storage.changed:
            gateways.server.storage.changed.wait_for(lambda: 50 in gateways.weighed, 20)
        act()

    thread = threading.Thread(target=waiting)
    thread.start()
    return thread


def test_pods_that_die_in_the_middle_end_the_rollout(server: ApiServer, cluster: Cluster, running: Gateways) -> None:
    """Weight goes back to the old version, which is as it was."""

    def dies() -> None:
        status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1}
        server.storage.set_status(server.kind("Deployment"), NAMESPACE, NEW_BGE.host, status)

    death = at_half(running, dies)
    failed(cluster, "deploy_unit_lost")
    death.join()
    assert running.weighed == [0, 5, 50, 0]
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)
    assert [sin for sin in running.sins if OLD_BGE.host in sin] == []


def test_a_field_of_another_one_stops_it_before_anything_moves(
    server: ApiServer, cluster: Cluster, running: Gateways
) -> None:
    """Somebody edits the gateway's file by hand: they are named, and nothing of theirs is overwritten."""
    there = server.object("ConfigMap", "gateway", NAMESPACE)
    assert there is not None
    (key,) = there["data"]
    there["data"][key] += "# by hand\n"
    server.storage.update(server.kind("ConfigMap"), NAMESPACE, "gateway", there, "kubectl-edit")
    error = failed(cluster, "deploy_stuck")
    assert "kubectl-edit" in error.cause
    assert "# by hand" in running.text()
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)


def test_a_right_that_is_taken_away_in_the_middle_is_told(
    server: ApiServer, cluster: Cluster, running: Gateways
) -> None:
    """Both versions run then, and whoever is asked to mend it reads the rule that is missing."""

    def refuse(request: Request) -> RefusalError | None:
        if (request.verb, request.resource.kind) != ("patch", "ConfigMap"):
            return None
        return refusals.forbidden(request.resource, "patch", "ci", NAMESPACE, request.name)

    change = at_half(running, lambda: setattr(server, "refuse", refuse))
    error = failed(cluster, "deploy_stuck")
    change.join()
    assert "ci may not patch configmaps" in error.cause
    assert 'resources: ["configmaps"]' in error.fix
    assert {OLD_BGE.host, NEW_BGE.host} <= hosts(cluster).keys()
    server.refuse = lambda request: None
    rolled(cluster, OLD, NEW)
    assert hosts(cluster) == ready(NEW_BGE, OTHER, NEW.gateway)
    assert running.sins == []


def test_a_gateway_that_does_not_start_is_told(server: ApiServer, cluster: Cluster, gateways: Gateways) -> None:
    """At the first install: which, and why."""
    server.controllers.outcomes["gateway"] = Outcome("image", "manifest unknown")
    with pytest.raises(FreeholdError) as caught:
        rolled(cluster, None, OLD)
    assert caught.value.code == "deploy_unit_failed"
    assert OLD.gateway.host in caught.value.cause
    assert "The registry has no" in caught.value.cause
    assert hosts(cluster) == {}


def test_a_gateway_that_lags_behind_holds_the_rollout_up(
    server: ApiServer, cluster: Cluster, running: Gateways
) -> None:
    """One of two copies that does not read its file: the old version is not stopped."""
    lagging = sorted(running.in_force)[0]
    before = running.in_force[lagging]
    hear = running.hear

    def deaf(resource: Resource, event: Event, written: Object) -> None:
        hear(resource, event, written)
        running.in_force[lagging] = before

    running.hear = deaf  # type: ignore[method-assign]  # one of its copies does not hear
    error = failed(cluster, "deploy_gateway_deaf", Terms((100,), 0.0, None))
    assert "gateway" in error.cause
    assert OLD_BGE.host in hosts(cluster)
    assert [sin for sin in running.sins if OLD_BGE.host in sin] == []
