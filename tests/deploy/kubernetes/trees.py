"""Ways to what tests look at in objects."""

from collections.abc import Iterable, Iterator
from typing import Any

from freehold.deploy.kubernetes.objects import objects
from freehold.deploy.services.deployment import Deployment

Tree = dict[str, Any]


def of_kind(deployment: Deployment, kind: str) -> dict[str, Tree]:
    """By name, all objects of a kind."""
    return {tree["metadata"]["name"]: tree for tree in objects(deployment) if tree["kind"] == kind}


def pod_specs(trees: Iterable[Tree]) -> Iterator[Tree]:
    """Of Deployments, StatefulSets, Jobs and pods."""
    for tree in trees:
        if tree["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield tree["spec"]["template"]["spec"]
        elif tree["kind"] == "Pod":
            yield tree["spec"]


def containers(trees: Iterable[Tree]) -> Iterator[Tree]:
    """All of them, those that run before others too."""
    for spec in pod_specs(trees):
        yield from (*spec.get("initContainers", ()), *spec["containers"])
