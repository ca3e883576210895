"""How the number of copies follows the load."""

import yaml

from freehold.deploy.kubernetes.scaling import adapter_rules, follows
from freehold.telemetry import names
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment
from tests.deploy.kubernetes.trees import Tree, of_kind


def scalers(case: str) -> dict[str, Tree]:
    return {
        tree["metadata"]["labels"]["app.kubernetes.io/name"]: tree
        for tree in of_kind(CASES[case], "HorizontalPodAutoscaler").values()
    }


def test_copies_follow_the_queue_at_each() -> None:
    """By as many waiting requests as the configuration says."""
    spec = scalers("hpa")["bge-m3"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"]["name"] == "freehold_requests_waiting"
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "8"}


def test_where_no_queue_is_known_copies_follow_their_cores() -> None:
    """By request, or for a server of another kind."""
    for name in ("small", "tgi"):
        (metric,) = scalers("hpa")[name]["spec"]["metrics"]
        assert metric["resource"]["name"] == "cpu"
    assert [follows(unit) for unit in CASES["hpa"].units] == ["queue", "cpu", "cpu"]
    assert [follows(unit) for unit in CASES["cpu"].units] == [""]


def test_old_clusters_have_an_older_api() -> None:
    """1.22 knows v2beta2 alone, 1.23 the one that stayed."""
    assert scalers("oldest")["bge-m3"]["apiVersion"] == "autoscaling/v2beta2"
    newer = of_kind(deployment(BGE | {"scale": {"most": 2}}, kubernetes="1.23"), "HorizontalPodAutoscaler")
    assert {tree["apiVersion"] for tree in newer.values()} == {"autoscaling/v2"}


def test_every_metric_that_is_asked_for_has_a_rule() -> None:
    """Of a series that our servers export, by the table of names; vLLM's is its own."""
    case = deployment(
        BGE | {"scale": {"most": 2}},
        {"id": "q", "source": "/models/q", "engine": "vllm", "gpus": 1, "scale": {"most": 2}},
    )
    rules = yaml.safe_load(adapter_rules(case))["rules"]
    asked = {
        tree["spec"]["metrics"][0]["pods"]["metric"]["name"]
        for tree in of_kind(case, "HorizontalPodAutoscaler").values()
    }
    assert {rule["name"]["as"] for rule in rules} == asked
    series = [rule["seriesQuery"].partition("{")[0] for rule in rules]
    assert series == [f"{names.QUEUE_SECONDS.name}_sum", "vllm:num_requests_waiting"]
    assert names.QUEUE_SECONDS.kind == "histogram"  # so that it has a _sum, of which the rate is the number that waits


def test_without_a_queue_there_are_no_rules() -> None:
    """Nothing is asked of prometheus-adapter."""
    assert adapter_rules(CASES["cpu"]) == ""
