"""A release takes another's place on a cluster: by the order of the calls to its API server, and what gateways read."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import yaml

from freehold.config import Config
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.releases.rolling import Clock, Rolling, Terms
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import FILE, Facts
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.deploy.kubernetes.gateways import Gateways, gateways
from tests.kubernetes_api import refusals
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.fields import Object
from tests.kubernetes_api.refusals import RefusalError, Resource
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.server import ApiServer
from tests.kubernetes_api.storage import Event

LOOK_S = 0.005


def clock() -> Clock:
    """Time passes only while a rollout sleeps: so many looks, however busy the machine is."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(LOOK_S)

    return Clock(lambda: sum(slept), sleep)


TERMS = Terms(steps=(5, 50, 100), step_s=2.0, recorded=None)


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


@pytest.fixture
def copies(server: ApiServer) -> Iterator[Gateways]:
    """The copies of the gateway of that cluster."""
    with gateways(server, OLD_BGE.host, NEW_BGE.host) as made:
        yield made


def rolled(cluster: Cluster, old: Deployment | None, new: Deployment, terms: Terms = TERMS) -> Rolling:
    """One release takes the other's place."""
    settled: list[str] = []
    rolling = Rolling(cluster, old, new, terms, lambda: settled.append(""), clock())
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
def running(cluster: Cluster, copies: Gateways) -> Gateways:
    """The old release is in force."""
    rolled(cluster, None, OLD)
    assert hosts(cluster) == ready(*OLD.units, OLD.gateway)
    copies.weighed.clear()
    copies.server.calls.clear()
    return copies


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


def at_half(copies: Gateways, act: Callable[[], None]) -> threading.Thread:
    """Do this in the middle of the rollout."""

    def waiting() -> None:
        with copies.server.storage.changed:
            copies.server.storage.changed.wait_for(lambda: 50 in copies.weighed, 20)
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


def test_a_gateway_that_does_not_start_is_told(server: ApiServer, cluster: Cluster, copies: Gateways) -> None:
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


def grown(precision: str, most: int) -> Deployment:
    """One model whose copies follow its load."""
    model = {"id": "bge", "source": "/models/bge", "precision": precision, "scale": {"least": 1, "most": most}}
    document = {"models": [model], "deploy": {"target": "kubernetes", "storage": {"claim": "models"}}}
    return Deployment.of(msgspec.convert(document, Config), {"bge": Facts(bytes=1000)})


@contextmanager
def five_copies(server: ApiServer, cluster: Cluster, old: Deployment, new: Deployment) -> Iterator[Gateways]:
    """The old release is in force, and has grown to five copies under load."""
    with gateways(server, old.units[0].host, new.units[0].host) as copies:
        rolled(cluster, None, old)
        with server.storage.changed:
            server.controllers.scale(NAMESPACE, copies.leaving, 5)
            assert server.storage.changed.wait_for(lambda: available(server, copies.leaving) == 5, 10)
        copies.weighed.clear()
        server.calls.clear()
        yield copies


@pytest.mark.parametrize(("most", "floors"), [(8, [1, 3, 5]), (4, [1, 3, 4])])
def test_weight_waits_for_copies_in_proportion(
    server: ApiServer, cluster: Cluster, most: int, floors: list[int]
) -> None:
    """Before each step the new version has its share of five copies, by its autoscaler's floor, which is as configured
    again afterwards; who wants no more than four gets four."""
    old, new = grown("fp32", 8), grown("int8", most)
    with five_copies(server, cluster, old, new) as copies:
        found: dict[int, int] = {}
        hear = copies.hear

        def noted(resource: Resource, event: Event, written: Object) -> None:
            hear(resource, event, written)
            if resource.kind == "ConfigMap" and copies.weighed:
                found.setdefault(copies.weighed[-1], available(server, copies.coming))

        copies.hear = noted  # type: ignore[method-assign]  # it listens, too
        rolled(cluster, old, new)
        assert [found[percent] for percent in TERMS.steps] == floors
        scaler = f"patch horizontalpodautoscalers.autoscaling/{copies.coming}"
        asked = [floor_of(one) for one in server.calls if one.told == scaler]
        assert asked[-4:] == [*floors, 1]
        assert copies.sins == []


def floor_of(request: Request) -> int:
    """What an autoscaler is told to keep."""
    floor: int = yaml.safe_load(request.body)["spec"]["minReplicas"]
    return floor


def available(server: ApiServer, host: str) -> int:
    """Its copies that are ready."""
    found = server.object("Deployment", host, NAMESPACE)
    return found.get("status", {}).get("availableReplicas", 0) if found else 0


def test_copies_that_do_not_come_take_the_rollout_back(server: ApiServer, cluster: Cluster) -> None:
    """No node has room for them: which, how many, and why."""
    old, new = grown("fp32", 8), grown("int8", 8)
    with five_copies(server, cluster, old, new) as copies:

        def heard(text: str) -> None:
            if text.startswith("5 %"):
                words = "0/3 nodes are available: 3 Too many pods."
                server.controllers.outcomes[copies.coming] = Outcome("unschedulable", words)

        with pytest.raises(FreeholdError) as caught:
            Rolling(cluster, old, new, TERMS, lambda: None, clock(), heard).run()
        assert caught.value.code == "deploy_unit_slow"
        assert f"{copies.coming} has 0 of 3; None of 3 nodes takes" in caught.value.cause
        assert hosts(cluster) == ready(*old.units, old.gateway)
        assert copies.weighed == [0, 5, 0]
