"""Who may reach whom in a Dify, by the evaluator of policies."""

import pytest

from tests.deploy.kubernetes.dify.cases import CASES, dify, trees_of
from tests.deploy.kubernetes.edges import Pod, Tree, pods_of, reaches

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
INTERNET = Pod()
NODE = Pod(address="192.168.1.10")
METADATA = Pod(address="169.254.169.254")


def seen(case: str) -> tuple[list[Tree], dict[str, Pod]]:
    """The policies, and by name in the topology a pod of each service; `gateway` and the models by their own."""
    trees = [tree for tree in trees_of(case) if tree["kind"] in ("NetworkPolicy", "Deployment", "StatefulSet", "Job")]
    by_instance = {pod.labels["app.kubernetes.io/instance"]: pod for pod in pods_of(trees).values()}
    known = {f"dify-{one.name.replace('_', '-')}": one.name for one in dify(case).services}
    policies = [tree for tree in trees if tree["kind"] == "NetworkPolicy"]
    return policies, {known.get(instance, instance): pod for instance, pod in by_instance.items()}


@pytest.mark.parametrize("case", CASES)
def test_services_reach_what_the_topology_says_and_nothing_beside(case: str) -> None:
    """Every pair of pods, the gateway and the models among them, at every port that they have."""
    policies, pods = seen(case)
    services = {service.name: service for service in dify(case).services}
    for caller, service in services.items():
        for name, called in services.items():
            for port in filter(None, (called.port, *called.more_ports, 5003)):
                told = name in service.reaches and port in (called.port, *called.more_ports)
                if name != caller:
                    assert reaches(policies, pods[caller], pods[name], port) == told, (caller, name, port)
        assert reaches(policies, pods[caller], pods["gateway"], 8080) == ("gateway" in service.reaches)
        unit = next(pod for name, pod in pods.items() if name.startswith("bge-m3"))
        assert not reaches(policies, pods[caller], unit, 8080), caller
        assert not reaches(policies, pods["gateway"], pods[caller], service.port or 80), caller
        assert not reaches(policies, INTERNET, pods[caller], service.port or 80), caller


@pytest.mark.parametrize("case", CASES)
def test_the_sandbox_reaches_the_proxy_alone(case: str) -> None:
    """No database, no service, no node, no internet; names, so that it finds the proxy."""
    policies, pods = seen(case)
    sandbox = pods.pop("sandbox")
    assert reaches(policies, sandbox, pods.pop("ssrf_proxy"), 3128)
    assert reaches(policies, sandbox, DNS, 53, "UDP")
    for port in (22, 53, 80, 443, 3000, 3128, 5001, 5002, 5432, 6379, 8080, 8194):
        assert not any(reaches(policies, sandbox, pod, port) for pod in pods.values())
        for other in (INTERNET, NODE, METADATA, Pod("other")):
            assert not reaches(policies, sandbox, other, port)
    for other in (INTERNET, NODE):
        assert not reaches(policies, sandbox, other, 53, "UDP")


@pytest.mark.parametrize("case", CASES)
def test_databases_and_the_plugin_daemon_are_for_few(case: str) -> None:
    """The web server, the sandbox and the proxy reach no database; only those of the application reach the daemon."""
    policies, pods = seen(case)
    for service in dify(case).services:
        if service.stateful:
            for name in ("web", "sandbox", "ssrf_proxy", "gateway"):
                assert not reaches(policies, pods[name], pods[service.name], service.port)
            assert not reaches(policies, Pod("anything"), pods[service.name], service.port)
            assert not reaches(policies, pods[service.name], INTERNET, 443)
    daemon = pods["plugin_daemon"]
    callers = {name for name, pod in pods.items() if reaches(policies, pod, daemon, 5002)} - {"plugin_daemon"}
    assert callers == {"migration", "api", "api_websocket", "worker"}
    assert not any(reaches(policies, pod, daemon, 5003) for pod in pods.values())


def test_the_outside_is_the_internet_and_not_the_cluster() -> None:
    """Nor nodes, nor a cloud's metadata."""
    policies, pods = seen("dify")
    for name in ("plugin_daemon", "api", "worker", "ssrf_proxy"):
        assert reaches(policies, pods[name], INTERNET, 443), name
        for other in (NODE, METADATA, Pod(address="10.96.0.1"), Pod("other")):
            assert not reaches(policies, pods[name], other, 443), (name, other)
    for name in ("web", "worker_beat", "db_postgres", "redis"):
        assert not reaches(policies, pods[name], INTERNET, 443), name


def test_the_users_own_stores_and_private_hosts_are_reached() -> None:
    """Stores by those that are told of them, at their ports; private hosts by those that reach the outside."""
    policies, pods = seen("dify-own")
    database = Pod(address="10.0.0.5")
    for name in ("api", "worker", "worker_beat", "migration", "plugin_daemon"):
        assert reaches(policies, pods[name], database, 5432), name
        assert not reaches(policies, pods[name], database, 22), name
        assert reaches(policies, pods[name], NODE, 6380), name  # a name may be any address
        assert not reaches(policies, pods[name], NODE, 5432), name
    assert reaches(policies, pods["api"], NODE, 9000)
    for name in ("ssrf_proxy", "plugin_daemon"):
        assert reaches(policies, pods[name], Pod(address="10.9.1.1"), 8080), name
        assert reaches(policies, pods[name], NODE, 443), name
        assert not reaches(policies, pods[name], NODE, 22), name
    assert not reaches(policies, pods["ssrf_proxy"], database, 5432)
    for name in ("web", "sandbox", "weaviate"):
        assert not reaches(policies, pods[name], database, 5432), name


def test_the_controller_of_the_ingress_reaches_what_has_paths() -> None:
    """And nothing else; without an ingress nobody does."""
    for case, controller in (("dify", "ingress-nginx"), ("dify-own", "traefik")):
        policies, pods = seen(case)
        entered = {
            service.name
            for service in dify(case).services
            if service.port and reaches(policies, Pod(controller), pods[service.name], service.port)
        }
        assert entered == {"api", "api_websocket", "plugin_daemon", "web"}
        assert not reaches(policies, Pod("elsewhere"), pods["web"], 3000)
    policies, pods = seen("dify-qdrant")
    assert not reaches(policies, Pod("ingress-nginx"), pods["web"], 3000)


def test_the_gateway_is_open_to_the_daemon_though_only_clients_may_call_it() -> None:
    """By a policy beside its own."""
    policies, pods = seen("dify")
    assert reaches(policies, pods["plugin_daemon"], pods["gateway"], 8080)
    assert reaches(policies, Pod("dify-a"), pods["gateway"], 8080)
    assert not reaches(policies, pods["worker"], pods["gateway"], 8080)
