"""How the number of copies follows the load: the autoscaler, and the rule by which prometheus-adapter feeds it.

By queue means: by the requests that wait at each copy. For what we serve this is the rate of the seconds that requests
spent waiting, which is the number that waits on average (Little's law: J. D. C. Little, 1961); vLLM counts them.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from freehold.deploy.kubernetes.naming import Tree, of_unit
from freehold.deploy.kubernetes.versions import autoscaling_api
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.yaml_text import as_yaml
from freehold.telemetry import names

WAITING = {"models": "freehold_requests_waiting", "vllm": "vllm_requests_waiting"}
"""By role, the metric of pods that prometheus-adapter makes."""
BUSY_PERCENT = 70
"""Of the cores that a copy asked for, where its number follows them."""

_VLLM_WAITING = "vllm:num_requests_waiting"
_CALM_S = 300
"""Copies are taken away after so long without need: loading one again takes minutes."""
_HEADER = """\
# The rules by which prometheus-adapter answers the autoscalers: merge them into its configuration
# (chart prometheus-community/prometheus-adapter: below `rules.custom`). This is no object of the cluster.
"""


def follows(unit: Unit) -> str:
    """What the number of copies follows, "" for nothing: `queue`, or `cpu` by request or where no queue is known."""
    if unit.scale.most is None:
        return ""
    return "queue" if unit.scale.by == "queue" and unit.role in WAITING else "cpu"


def autoscaler(deployment: Deployment, unit: Unit, name: str, least: int, most: int) -> Tree:
    """Of the Deployment `name`."""
    if follows(unit) == "queue":
        target = {"type": "AverageValue", "averageValue": str(unit.scale.queue)}
        metric: Tree = {"type": "Pods", "pods": {"metric": {"name": WAITING[unit.role]}, "target": target}}
    else:
        target_busy = {"type": "Utilization", "averageUtilization": BUSY_PERCENT}
        metric = {"type": "Resource", "resource": {"name": "cpu", "target": target_busy}}
    slowly = {"type": "Pods", "value": 1, "periodSeconds": 60}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [metric],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": _CALM_S, "policies": [slowly]}},
    }
    api = autoscaling_api(deployment.settings)
    return of_unit(deployment, unit, api, "HorizontalPodAutoscaler", name, spec=spec)


def grown(unit: Unit, copies: int, percent: int) -> Unit:
    """`unit` with a floor that is `percent` of `copies`, rounded up, within what the configuration allows."""
    scale = unit.scale
    least = max(scale.least, min(math.ceil(copies * percent / 100), scale.most or 0))
    return replace(unit, scale=msgspec.structs.replace(scale, least=least))


def adapter_rules(deployment: Deployment) -> str:
    """The rules for the units that follow their queues, "" where none does."""
    roles = {unit.role for unit in deployment.units if follows(unit) == "queue"}
    rules = [rule for role, rule in _rules() if role in roles]
    return _HEADER + as_yaml({"rules": rules}) if rules else ""


def _rules() -> Iterator[tuple[str, Tree]]:
    waited = f"{names.QUEUE_SECONDS.name}_sum"
    yield "models", _rule(waited, WAITING["models"], "sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)")
    yield "vllm", _rule(_VLLM_WAITING, WAITING["vllm"], "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)")


def _rule(series: str, name: str, query: str) -> Tree:
    return {
        "seriesQuery": f'{series}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"matches": f"^{series}$", "as": name},
        "metricsQuery": query,
    }
