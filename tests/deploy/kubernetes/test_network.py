"""Who may reach whom, by a small evaluator of the policies."""

import pytest

from freehold.deploy.kubernetes.objects import objects
from freehold.deploy.kubernetes.verification import verification, verification_name
from freehold.deploy.services.deployment import Deployment
from tests.deploy.kubernetes.deployments import BGE, CASES, configured, deployment
from tests.deploy.kubernetes.edges import Pod, Tree, pods_of, reaches

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
INTERNET = Pod()


def seen(case: Deployment) -> tuple[list[Tree], dict[str, Pod]]:
    trees = list(objects(case))
    return trees, pods_of(trees)


@pytest.mark.parametrize("case", CASES)
def test_the_gateway_reaches_units_and_units_reach_nothing(case: str) -> None:
    """Every version of a unit is reached at its port alone; it reaches neither another one, nor the world."""
    trees, pods = seen(CASES[case])
    gateway = pods.pop("gateway")
    for name, pod in pods.items():
        unit = next(unit for unit in CASES[case].units if unit.name == pod.labels["app.kubernetes.io/name"])
        assert reaches(trees, gateway, pod, unit.port), name
        assert not reaches(trees, gateway, pod, unit.port + 1), name
        assert not reaches(trees, pod, gateway, 8080), name
        assert not any(reaches(trees, pod, other, unit.port) for other in pods.values() if other != pod), name
        assert not reaches(trees, INTERNET, pod, unit.port), name
        if not unit.pulls:
            assert not reaches(trees, pod, INTERNET, 443), name
            assert not reaches(trees, pod, DNS, 53, "UDP"), name


def test_two_tenants_have_no_edge() -> None:
    """Neither gateway reaches the other's, nor a unit of the other, though all policies are in one cluster."""
    (one, of_one), (two, of_two) = seen(CASES["tenant-a"]), seen(CASES["tenant-b"])
    both = [*one, *two]
    for source in of_one.values():
        for target in of_two.values():
            assert not reaches(both, source, target, 8080)
            assert not reaches(both, target, source, 8080)
    assert reaches(both, Pod("dify-a"), of_one["gateway"], 8080)
    assert not reaches(both, Pod("dify-a"), of_two["gateway"], 8080)


def test_upstreams_are_reached_as_far_as_a_policy_can_say() -> None:
    """A name outside by its port, a Service of the cluster by its namespace, an address by itself."""
    trees, pods = seen(CASES["vllm"])
    gateway = pods["gateway"]
    assert reaches(trees, gateway, INTERNET, 443)
    assert not reaches(trees, gateway, INTERNET, 80)
    assert reaches(trees, gateway, Pod("serving"), 9000)
    assert not reaches(trees, gateway, Pod("elsewhere"), 9000)
    assert reaches(trees, gateway, Pod(address="10.0.0.7"), 8000)
    assert not reaches(trees, gateway, Pod(address="10.0.0.8"), 8000)
    assert reaches(trees, gateway, DNS, 53, "UDP")
    assert reaches(trees, gateway, Pod(address="169.254.20.10"), 53, "TCP")


def test_grpc_comes_in_by_the_port_that_is_named() -> None:
    """To the gateway, whose Service has it, too."""
    trees, pods = seen(configured({"models": [BGE], "server": {"grpc_port": 8081}}))
    assert reaches(trees, Pod("anything"), pods["gateway"], 8081)
    (service,) = (tree for tree in trees if tree["kind"] == "Service" and tree["metadata"]["name"] == "gateway")
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("http", 8080), ("grpc", 8081)]
    trees, pods = seen(CASES["cpu"])
    assert not reaches(trees, Pod("anything"), pods["gateway"], 8081)


def test_only_the_gateway_reaches_the_database() -> None:
    """Where there is one: a secret says where, so any address, at its port."""
    shared = configured({"models": [BGE], "access": {"database": "${env:PG}"}})
    trees, pods = seen(shared)
    for name, pod in pods.items():
        assert reaches(trees, pod, INTERNET, 5432) == (name == "gateway")
    trees, pods = seen(CASES["cpu"])
    assert not reaches(trees, pods["gateway"], INTERNET, 5432)


def test_a_name_without_dots_is_a_service_of_the_same_namespace() -> None:
    """So the gateway is let out to it, at any port; to let it in is for whoever put a server into our namespace."""
    trees, pods = seen(deployment({"id": "far", "source": "http://llm:9000/v1"}))
    llm = Pod("freehold", {"app": "llm"})
    assert not reaches(trees, pods["gateway"], llm, 8000)
    spec = {"podSelector": {"matchLabels": llm.labels}, "policyTypes": ["Ingress"], "ingress": [{}]}
    opened = {"kind": "NetworkPolicy", "metadata": {"namespace": "freehold"}, "spec": spec}
    assert reaches([*trees, opened], pods["gateway"], llm, 8000)
    assert not reaches(trees, pods["gateway"], INTERNET, 9000)


def test_the_gateway_is_open_to_those_who_are_named() -> None:
    """By ingress its controller; without one and without clients every namespace; Prometheus and a rollout always."""
    trees, pods = seen(CASES["cpu"])
    assert reaches(trees, Pod("anything"), pods["gateway"], 8080)
    assert not reaches(trees, INTERNET, pods["gateway"], 8080)
    trees, pods = seen(CASES["tls"])
    gateway = pods["gateway"]
    for namespace in ("ingress-nginx", "observability", "kube-system"):
        assert reaches(trees, Pod(namespace), gateway, 8080)
    assert not reaches(trees, Pod("anything"), gateway, 8080)
    assert reaches(trees, Pod(address="10.0.0.5"), gateway, 8080)
    trees, pods = seen(CASES["vllm"])
    assert reaches(trees, Pod("traefik"), pods["gateway"], 8080)
    chosen = {"host": "a.test", "ingress_class": "traefik", "namespace": "edge"}
    trees, pods = seen(deployment(ingress=chosen))
    assert reaches(trees, Pod("edge"), pods["gateway"], 8080)
    assert not reaches(trees, Pod("traefik"), pods["gateway"], 8080)


def test_what_pulls_reaches_its_registry() -> None:
    """The pods of the unit and those that verify it, at the registry's port."""
    case = CASES["pull"]
    unit = case.units[0]
    trees = [*objects(case), *verification(case, unit)]
    pods = pods_of(trees)
    for name in (unit.host, verification_name(unit)):
        assert reaches(trees, pods[name], INTERNET, 8443)
        assert not reaches(trees, pods[name], INTERNET, 443)
        assert reaches(trees, pods[name], DNS, 53, "UDP")
    assert not reaches(trees, pods["gateway"], pods[verification_name(unit)], 8080)
