"""`freehold doctor --fit` for a cluster: what one copy of each service asks for, against the nodes."""

import os
from pathlib import Path
from typing import Any

import msgspec

from freehold.cli.deployments import Given, releases_of, target_of
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.nodes import Room, rooms, table
from freehold.errors import FreeholdError


def fit_on_cluster(source: str | None) -> tuple[bool, dict[str, Any], str]:
    """Whether each service has a node; that as JSON, and as text.

    Where nodes may not be listed, or the cluster cannot be reached, that is said, and `checked` is false. Raises what
    reading a configuration does.
    """
    given = Given.read(source, os.environ, Path.cwd())
    deployment = given.deployment({}, os.environ)
    try:
        target = target_of(deployment, releases_of(given.settings.name, os.environ), os.environ)
        assert isinstance(target, Cluster), "of such a configuration"
        nodes, reason = target.nodes(), ""
    except FreeholdError as error:
        nodes, reason = (), error.cause
    found = rooms(deployment.units, nodes)
    data = {"checked": not reason, "reason": reason, "services": [_data(room) for room in found]}
    if reason:
        asked = "\n".join(room.asked for room in found)
        return True, data, f"{asked}\nNot compared with any node: {reason}"
    return not any(room.lacks for room in found), data, table(found)


def _data(room: Room) -> dict[str, Any]:
    """Amounts as Kubernetes counts them: cores, bytes, devices."""
    return dict(msgspec.to_builtins(room))
