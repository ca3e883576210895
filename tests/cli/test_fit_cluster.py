"""`freehold doctor --fit` for a cluster, and what `deploy` says of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.deploy.kubernetes.conftest import forbidden
from tests.deploy.kubernetes.gateways import Gateways
from tests.docker_registry import free_port

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def test_what_no_node_is_large_enough_for_is_told(
    freehold: Callable[..., Ran], cluster: Gateways, folder: Path
) -> None:
    """`doctor --fit` fails, with the node that comes closest; `deploy` notes it, since a node may be added."""
    deploy = {"target": "kubernetes", "registry": f"127.0.0.1:{free_port()}/x", "storage": {"claim": "models"}}
    models = [{"id": "m", "source": "/models/m", "resources": {"memory_mb": 512}}]
    (folder / "freehold.yaml").write_text(json.dumps({"models": models, "deploy": deploy}))
    cluster.server.add(cluster.server.kind("Node"), "", "n", status={"allocatable": {"cpu": "2", "memory": "64Mi"}})
    ran = freehold("doctor", "--fit")
    assert ran.code == 1
    assert "n gives 2 cpu, 64 MiB memory: too little memory" in ran.out
    codes = [note["code"] for note in freehold("deploy", "--plan", "--json").data["notes"]]
    assert codes == ["note_keys_apart", "deploy_image_unpinned", "cluster_nodes_too_small"]
    cluster.server.refuse = forbidden
    ran = freehold("doctor", "--fit", "--json")
    assert (ran.code, ran.data["checked"]) == (0, False)
    assert "was not checked: ci may not list nodes" in freehold("doctor", "--fit").out
