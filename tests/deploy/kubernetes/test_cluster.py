"""A cluster as the place where a rollout puts services."""

from collections.abc import Callable

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.target import Running
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, add_secret, forbidden, settled
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment
from tests.kubernetes_api import refusals
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.kinds import POD
from tests.kubernetes_api.refusals import RefusalError
from tests.kubernetes_api.requests import Request
from tests.kubernetes_api.server import ApiServer

MADE = deployment(BGE)
(UNIT,) = MADE.units
ALL = (*MADE.units, MADE.gateway)
WAIT_S = 10.0


def refusing(server: ApiServer, refusal: Callable[[Request], RefusalError], **asked: str) -> None:
    """Requests of this verb and kind are refused."""
    wanted = asked.items()
    server.refuse = lambda request: (
        refusal(request) if wanted <= {"verb": request.verb, "kind": request.resource.kind}.items() else None
    )


def test_the_first_start_makes_what_is_missing_in_an_order_that_works(server: ApiServer, cluster: Cluster) -> None:
    """The namespace first, secrets before what reads them, walls before pods, the gateway last."""
    assert cluster.running() == []
    cluster.start(MADE, ALL)
    first: dict[str, int] = {}
    for number, told in enumerate(server.writes()):
        first.setdefault(told.split("/")[0].split(" ")[1].split(".")[0], number)
    order = sorted(first, key=lambda kind: first[kind])
    assert order[:5] == ["namespaces", "serviceaccounts", "roles", "rolebindings", "secrets"]
    assert first["networkpolicies"] < first["configmaps"] < first["services"] < first["deployments"]
    assert server.writes()[-1] == "patch poddisruptionbudgets.policy/gateway"
    hosts = {one.host for one in settled(server, cluster, "ready")}
    assert hosts == {UNIT.host, MADE.gateway.host}


@pytest.mark.parametrize("name", sorted(set(CASES) - {"oldest"}))
def test_every_kind_of_deployment_is_taken_by_the_api_server(name: str, server: ApiServer, api: Api) -> None:
    """No field of it is unknown, and applying it twice changes nothing."""
    made = CASES[name]
    for plural, kind in (("servicemonitors", "ServiceMonitor"), ("middlewares", "Middleware")):
        group = "monitoring.coreos.com/v1" if kind == "ServiceMonitor" else "traefik.io/v1alpha1"
        server.kinds.append(refusals.Resource(*group.split("/"), kind, plural))
    api.namespace = made.settings.namespace or made.name
    cluster = Cluster(api, made.name, {"CORP_KEY": "k"})
    for secret in (secret for unit in (*made.units, made.gateway) for secret in unit.secrets):
        if secret.origin.startswith("${file:"):
            add_secret(server, api.namespace, f"freehold-{secret.name}")
    cluster.start(made, (*made.units, made.gateway))
    settled(server, cluster, "ready")
    version = server.storage.version
    cluster.start(made, (*made.units, made.gateway))
    assert server.storage.version == version


def test_a_start_changes_nothing_of_what_runs_beside(server: ApiServer, cluster: Cluster) -> None:
    """Only the new units are applied, and what all share; the gateway keeps the file that a rollout gave it."""
    cluster.start(MADE, ALL)
    cluster.route(MADE, "models: []")
    server.calls.clear()
    both = deployment(BGE, {"id": "small", "source": "/models/small"})
    cluster.start(both, (both.units[1], both.gateway))
    assert not [told for told in server.writes() if UNIT.host in told]
    assert "patch configmaps/gateway" not in server.writes()
    found = server.object("ConfigMap", "gateway", NAMESPACE)
    assert found is not None
    assert list(found["data"].values()) == ["models: []"]


def test_keys_are_never_made_again(server: ApiServer, cluster: Cluster) -> None:
    """What runs has read them."""
    cluster.start(MADE, ALL)
    first = server.object("Secret", "freehold-internal", NAMESPACE)
    cluster.start(MADE, ALL)
    assert server.object("Secret", "freehold-internal", NAMESPACE) == first


def test_whoever_may_only_deploy_does_so_where_an_administrator_prepared(server: ApiServer, cluster: Cluster) -> None:
    """Without rights on the namespace; where nothing is prepared the error says how."""
    refusing(server, forbidden, verb="patch", kind="Namespace")
    with pytest.raises(FreeholdError) as caught:
        cluster.start(MADE, ALL)
    assert caught.value.code == "cluster_no_foundation"
    assert "ci may not patch namespaces in the whole cluster" in caught.value.cause
    server.refuse = lambda request: None
    cluster.start(MADE, ALL)
    refusing(server, forbidden, verb="patch", kind="Namespace")
    cluster.start(MADE, ALL)
    refusing(server, refusals_busy, verb="patch", kind="Namespace")
    with pytest.raises(FreeholdError, match="cluster_busy"):
        cluster.start(MADE, ALL)


def refusals_busy(request: Request) -> RefusalError:
    """By a server that has too much to do."""
    return refusals.busy()


def test_a_service_without_a_device_says_so_and_waits(server: ApiServer, cluster: Cluster) -> None:
    """One may come; when the deadline is over nothing is waited for."""
    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    server.controllers.outcomes = {
        UNIT.host: Outcome("unschedulable", words),
        "gateway": Outcome("unschedulable", words),
    }
    cluster.start(MADE, ALL)
    found = settled(server, cluster, "starting", "cluster_no_devices")
    assert "None of 3 nodes has enough free nvidia.com/gpu" in str(found[0].reason)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome("crash", log=("boom",), exit_code=2), "cluster_crash"),
        (Outcome("image", "unauthorized"), "cluster_image_refused"),
        (Outcome("oom"), "cluster_memory"),
        (Outcome("refused", "exceeded quota: compute"), "cluster_quota"),
        (Outcome("unready", "Readiness probe failed", log=("loading",), overdue=True), "cluster_unready"),
        (Outcome("ready", overdue=True), None),
    ],
)
def test_a_service_that_fails_says_why(server: ApiServer, cluster: Cluster, outcome: Outcome, code: str | None) -> None:
    """In the words of `reasons`."""
    server.controllers.outcomes = {"": outcome}
    cluster.start(MADE, ALL)
    settled(server, cluster, "failed" if code else "ready", code)


def test_one_that_was_scaled_to_nothing_is_stopped(server: ApiServer, cluster: Cluster) -> None:
    """By a person, by kubectl."""
    cluster.start(MADE, MADE.units)
    there = server.object("Deployment", UNIT.host, NAMESPACE)
    assert there is not None
    there["spec"]["replicas"] = 0
    server.storage.update(server.kind("Deployment"), NAMESPACE, UNIT.host, there, "kubectl")
    assert settled(server, cluster, "stopped") == [Running(UNIT.host, "stopped")]


def test_a_field_of_another_one_is_only_taken_where_that_is_said(server: ApiServer, api: Api, cluster: Cluster) -> None:
    """The conflict names field and manager."""
    test_one_that_was_scaled_to_nothing_is_stopped(server, cluster)
    with pytest.raises(FreeholdError) as caught:
        cluster.start(MADE, MADE.units)
    assert caught.value.code == "cluster_conflict"
    assert ".spec.replicas (kubectl)" in caught.value.cause
    Cluster(api, "freehold", {}, force=True).start(MADE, MADE.units)
    settled(server, cluster, "ready")


def test_a_version_that_stays_gets_another_number(server: ApiServer, cluster: Cluster) -> None:
    """A fixed one, and one in the place of an autoscaler, which goes; where all is as it was nothing is written."""

    def numbers() -> tuple[object, list[str]]:
        found = server.object("Deployment", UNIT.host, NAMESPACE)
        assert found is not None
        return found["spec"].get("replicas"), server.names("HorizontalPodAutoscaler", NAMESPACE)

    cluster.start(MADE, ALL)
    for scale, wanted in (({"least": 3}, (3, [])), ({"most": 4}, (3, [UNIT.host])), ({"least": 2}, (2, []))):
        scaled = deployment(BGE | {"scale": scale})
        assert scaled.units[0].host == UNIT.host
        cluster.scale(scaled, scaled.units, {}, 0)
        assert numbers() == wanted
    server.calls.clear()
    cluster.scale(scaled, scaled.units, {}, 0)
    assert server.writes() == []


def test_what_is_stopped_goes_with_all_that_is_its_own(server: ApiServer, cluster: Cluster) -> None:
    """After its pods have ended, and nothing of others; of what is not there nothing is said."""
    both = deployment(BGE | {"scale": {"most": 3}}, {"id": "small", "source": "/models/small"})
    cluster.start(both, (*both.units, both.gateway))
    gone, kept = both.units
    server.calls.clear()
    cluster.stop([gone.host, "never-there-00000000"])
    assert [told.split("/")[0] for told in server.writes()] == [
        "delete horizontalpodautoscalers.autoscaling",
        "delete poddisruptionbudgets.policy",
        "delete deployments.apps",
        "delete services",
        "delete networkpolicies.networking.k8s.io",
        "delete configmaps",
    ]
    assert {one.host for one in cluster.running()} == {kept.host, both.gateway.host}
    assert not [name for name in server.names("Pod", NAMESPACE) if name.startswith(gone.host)]


def test_with_the_last_one_the_way_in_goes_and_data_stays(server: ApiServer, cluster: Cluster) -> None:
    """Secrets, claims and the namespace are kept for the next time."""
    made = deployment(BGE, storage={"claim": "models", "size_gb": 5}, ingress={"host": "m.corp.test"})
    cluster.start(made, (*made.units, made.gateway))
    cluster.stop([one.host for one in cluster.running()])
    assert cluster.running() == []
    kinds = ("Ingress", "NetworkPolicy", "Service", "ConfigMap", "Pod", "ReplicaSet")
    assert {kind: server.names(kind, NAMESPACE) for kind in kinds} == {kind: [] for kind in kinds}
    assert server.names("PersistentVolumeClaim", NAMESPACE) == ["models"]
    assert len(server.names("Secret", NAMESPACE)) == 2


def test_what_an_operator_was_told_goes_too(server: ApiServer, cluster: Cluster) -> None:
    """Where there is one."""
    server.kinds.append(refusals.Resource("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"))
    made = deployment(BGE, monitoring={"operator": True})
    cluster.start(made, made.units)
    assert len(server.names("ServiceMonitor", NAMESPACE)) == 2
    cluster.stop([UNIT.host])
    assert server.names("ServiceMonitor", NAMESPACE) == []


def test_lines_of_a_service_are_found_by_its_name(server: ApiServer, cluster: Cluster) -> None:
    """Or by its version; with the pod's name where there are several."""
    server.controllers.outcomes = {UNIT.host: Outcome(log=("one", "two")), "gateway": Outcome(log=("hello",))}
    cluster.start(MADE, ALL)
    settled(server, cluster, "ready")
    assert list(cluster.logs("bge-m3")) == list(cluster.logs(UNIT.host)) == ["one", "two"]
    assert list(cluster.logs("bge-m3", tail=1)) == ["two"]
    pods = [name for name in server.names("Pod", NAMESPACE) if name.startswith("gateway")]
    assert sorted(cluster.logs("gateway", follow=True)) == [f"{name}: hello" for name in pods]
    with pytest.raises(FreeholdError) as caught:
        cluster.logs("other")
    assert caught.value.code == "cluster_service_unknown"
    assert UNIT.host in caught.value.cause


def test_a_change_without_its_lock_is_refused(server: ApiServer, cluster: Cluster) -> None:
    """From the moment in which somebody else has it."""
    cluster.start(MADE, ALL)
    with cluster.held("deploy"):
        cluster.start(MADE, ALL)
        with pytest.raises(FreeholdError, match="cluster_held"), cluster.held("rollback"):
            pass
    cluster.start(MADE, ALL)


def test_the_lock_of_a_first_deploy_makes_the_namespace(server: ApiServer, cluster: Cluster) -> None:
    """Nothing can be held where there is none; whoever may not make it is told."""
    refusing(server, forbidden, verb="patch", kind="Namespace")
    with pytest.raises(FreeholdError, match="cluster_no_foundation"), cluster.held("deploy"):
        pass
    server.refuse = lambda request: None
    with cluster.held("deploy"):
        assert NAMESPACE in server.names("Namespace")
        cluster.start(MADE, ())
    refusing(server, forbidden, verb="create", kind="Lease")
    with pytest.raises(FreeholdError, match="cluster_forbidden"), cluster.held("deploy"):
        pass


def test_a_check_prepares_and_leaves_nothing_that_runs(server: ApiServer, cluster: Cluster) -> None:
    """On a cluster in which there is nothing yet."""
    cluster.verify(MADE, MADE.units)
    assert cluster.running() == []
    assert server.names("Job", NAMESPACE) == []
    assert [one.resource for one in server.calls if one.told.startswith("create pods")] == []
    assert server.storage.find(POD, NAMESPACE, "x") is None
