"""`freehold doctor --fit` for a cluster: what one copy of each service asks for, against the nodes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from lightkube.resources.core_v1 import Node

from freehold.cli.deployments import Given, releases_of, target_of
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.nodes import Room, compared


def fit_on_cluster(source: str | None) -> tuple[bool, dict[str, Any], str]:
    """Whether each service has a node; that as JSON, and as text.

    Where nodes may not be listed, or the cluster cannot be reached, that is said, and `checked` is false. Raises what
    reading a configuration does.
    """
    given = Given.read(source, os.environ, Path.cwd())
    deployment = given.deployment({}, os.environ)

    def nodes() -> Sequence[Node]:
        target = target_of(deployment, releases_of(given.settings.name, os.environ), os.environ)
        assert isinstance(target, Cluster), "of such a configuration"
        return target.nodes()

    found = compared(deployment.units, nodes)
    ok = found.trouble is None or found.trouble.code == "cluster_nodes_unknown"
    is_compared = all(room.node for room in found.rooms)
    data = {"ok": ok, "checked": is_compared, "services": [_data(room) for room in found.rooms]}
    unknown = "" if found.trouble is None or is_compared else f"\n{found.trouble.cause}"
    return ok, data, f"{found.table}{unknown}"


def _data(room: Room) -> dict[str, Any]:
    """Amounts as Kubernetes counts them: cores, bytes, devices."""
    return dict(msgspec.to_builtins(room))
