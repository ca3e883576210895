"""Deployments, their number, and what belongs to them."""

import pytest

from freehold.deploy.kubernetes.workloads import LARGEST_CONFIG, Copies, config_map, copies_of
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment
from tests.deploy.kubernetes.trees import Tree, of_kind

SPOT = "cloud.example/spot"


def copies(scale: Tree, on_demand: int = 1) -> list[Copies]:
    case = deployment(BGE | {"scale": scale}, spot={"key": SPOT, "on_demand": on_demand})
    return list(copies_of(case, case.units[0]))


def test_a_floor_stays_on_other_nodes() -> None:
    """What is above it has a Deployment of its own, which alone follows the load."""
    name = deployment(BGE).units[0].host
    above = f"{name}-spot"
    assert copies({"least": 1}) == [Copies(name, 1)]
    assert copies({"least": 3}) == [Copies(name, 1), Copies(above, 2, None, spot=True)]
    assert copies({"least": 2, "most": 6}) == [Copies(name, 1), Copies(above, 1, 5, spot=True)]
    assert copies({"least": 1, "most": 4}) == [Copies(name, 1), Copies(above, 1, 3, spot=True)]
    assert copies({"least": 2}, on_demand=3) == [Copies(name, 2)]
    assert copies({"least": 2, "most": 4}, on_demand=0) == [Copies(name, 2, 4, spot=True)]


def test_spot_nodes_are_for_what_is_above_the_floor() -> None:
    """The floor and the gateway keep off them; what is above tolerates their taint and goes nowhere else."""
    workloads = of_kind(CASES["spot"], "Deployment")
    assert len(workloads) == 5
    for name, workload in workloads.items():
        spec = workload["spec"]["template"]["spec"]
        affinity = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        (expression,) = affinity["nodeSelectorTerms"][0]["matchExpressions"]
        is_spot = name.endswith("-spot")
        assert expression == {"key": SPOT, "operator": "In" if is_spot else "NotIn", "values": ["true"]}
        assert (SPOT in [toleration["key"] for toleration in spec.get("tolerations", ())]) == is_spot


def test_both_deployments_of_a_unit_are_one_service() -> None:
    """The Service selects the pods of both, each Deployment only its own."""
    workloads, services = of_kind(CASES["spot"], "Deployment"), of_kind(CASES["spot"], "Service")
    selectors = set()
    for workload in workloads.values():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        service = services[workload["metadata"]["labels"]["app.kubernetes.io/instance"]]
        assert service["spec"]["selector"].items() <= labels.items()
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels.items()
        selectors.add(tuple(selector.items()))
    assert len(selectors) == len(workloads)


@pytest.mark.parametrize("case", CASES)
def test_a_number_has_one_owner(case: str) -> None:
    """Where an autoscaler sets it, the Deployment has none; else it has one."""
    scaled = {
        tree["spec"]["scaleTargetRef"]["name"] for tree in of_kind(CASES[case], "HorizontalPodAutoscaler").values()
    }
    for name, workload in of_kind(CASES[case], "Deployment").items():
        assert ("replicas" in workload["spec"]) == (name not in scaled)
        assert workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_several_copies_are_drained_one_at_a_time() -> None:
    """A single one has no budget, which would only keep its node from being drained."""
    budgets = of_kind(CASES["hpa"], "PodDisruptionBudget")
    assert len(budgets) == 4
    assert {tree["spec"]["maxUnavailable"] for tree in budgets.values()} == {1}
    assert of_kind(CASES["cpu"], "PodDisruptionBudget").keys() == {"gateway"}


def test_nodes_may_be_drained_of_pods_that_never_got_ready() -> None:
    """From 1.27 on a budget can say so."""

    def spec(version: str) -> Tree:
        found: Tree = of_kind(deployment(kubernetes=version), "PodDisruptionBudget")["gateway"]["spec"]
        return found

    assert "unhealthyPodEvictionPolicy" not in spec("1.26")
    assert spec("1.27")["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_gateway_is_one_workload_for_all_revisions() -> None:
    """Its file changes in place, so its pods say nothing of it: they stay as they are."""
    workload = of_kind(CASES["cpu"], "Deployment")["gateway"]
    assert "0a0b0c0d" not in str(workload["spec"])
    assert workload["metadata"]["labels"]["app.kubernetes.io/version"] == "0a0b0c0d"


def test_a_configuration_that_no_config_map_holds_is_refused() -> None:
    """With both sizes."""
    case = deployment(BGE | {"chat_template_kwargs": {"note": "x" * LARGEST_CONFIG}})
    with pytest.raises(FreeholdError) as raised:
        config_map(case, case.units[0])
    assert raised.value.code == "kubernetes_config_too_large"
    assert str(LARGEST_CONFIG) in str(raised.value)
