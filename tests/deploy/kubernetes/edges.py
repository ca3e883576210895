"""Who reaches whom by a set of NetworkPolicies: a small evaluator of their rules.

https://kubernetes.io/docs/concepts/services-networking/network-policies/ : a pod that a policy selects is closed in the
policy's directions, and opened by what any such policy lets through.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Tree = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """One end of an edge: a pod, or an address outside the cluster, which has no namespace."""

    namespace: str = ""
    labels: Tree = field(default_factory=dict)
    address: str = ""

    @property
    def seen_as(self) -> str:
        """By which rules of addresses judge it: a pod's is one of the cluster's own."""
        return self.address or ("10.244.0.9" if self.namespace else "203.0.113.9")


def pods_of(trees: Iterable[Tree]) -> dict[str, Pod]:
    """By the names of Deployments, StatefulSets and Jobs, a pod of each."""
    return {
        tree["metadata"]["name"]: Pod(tree["metadata"]["namespace"], tree["spec"]["template"]["metadata"]["labels"])
        for tree in trees
        if tree["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def reaches(trees: Iterable[Tree], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether both ends allow the edge. Where no policy selects an end, it allows all."""
    policies = [tree for tree in trees if tree["kind"] == "NetworkPolicy"]
    out = _allows(policies, source, target, "Egress", "to", port, protocol)
    return out and _allows(policies, target, source, "Ingress", "from", port, protocol)


def _allows(policies: list[Tree], own: Pod, other: Pod, direction: str, ends: str, port: int, protocol: str) -> bool:
    chosen = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and direction in policy["spec"]["policyTypes"]
        and _selected(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [rule for policy in chosen for rule in policy["spec"].get(direction.lower(), ())]
    return not chosen or any(
        ("ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"])
        and (ends not in rule or any(_is_at(peer, other, own.namespace) for peer in rule[ends]))
        for rule in rules
    )


def _is_at(peer: Tree, pod: Pod, namespace: str) -> bool:
    if "ipBlock" in peer:
        address, block = ipaddress.ip_address(pod.seen_as), peer["ipBlock"]
        but = (ipaddress.ip_network(cidr) for cidr in block.get("except", ()))
        return address in ipaddress.ip_network(block["cidr"]) and not any(address in one for one in but)
    if not pod.namespace:
        return False
    if "namespaceSelector" in peer:
        inside = _selected(peer["namespaceSelector"], {"kubernetes.io/metadata.name": pod.namespace})
    else:
        inside = pod.namespace == namespace
    return inside and _selected(peer.get("podSelector", {}), pod.labels)


def _selected(selector: Tree, labels: Tree) -> bool:
    matched = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In", expression
        matched = matched and labels.get(expression["key"]) in expression["values"]
    return matched
