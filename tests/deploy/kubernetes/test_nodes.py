"""Whether a cluster has a node for each service."""

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.nodes import compared, quantity
from tests.deploy.kubernetes.conftest import forbidden
from tests.deploy.kubernetes.deployments import BGE, QWEN, deployment
from tests.kubernetes_api.server import ApiServer

MADE = deployment(BGE | {"resources": {"cpu": 4, "memory_mb": 3000}}, QWEN)
SMALL = {"cpu": "3920m", "memory": "8000Mi", "pods": "110"}
LARGE = {"cpu": "32", "memory": "131072000Ki", "nvidia.com/gpu": "1", "example.com/odd": "many"}


def with_nodes(server: ApiServer, **nodes: dict[str, str]) -> None:
    """A cluster of these."""
    for name, allocatable in nodes.items():
        server.add(server.kind("Node"), "", name, status={"allocatable": allocatable})


def test_quantities_are_read_as_kubernetes_writes_them() -> None:
    """Thousandths, powers of ten and of two."""
    assert [quantity(text) for text in ("250m", "8", "1.5", "2k", "16Ki", "1e3")] == [0.25, 8, 1.5, 2000, 16384, 1000]
    with pytest.raises(ValueError, match="no quantity"):
        quantity("many")


def test_one_node_must_have_all_that_a_copy_asks_for(server: ApiServer, api: Api) -> None:
    """The one that comes closest is named, and what it has too little of."""
    with_nodes(server, small=SMALL, large=LARGE)
    found = compared(MADE.units, api.nodes)
    assert [(room.node, room.lacks) for room in found.rooms] == [("large", ()), ("large", ("nvidia.com/gpu",))]
    assert found.trouble is not None
    assert found.trouble.code == "cluster_nodes_too_small"
    assert "for qwen3-32b:" in found.trouble.cause
    assert "2 nvidia.com/gpu; large gives" in found.trouble.cause
    assert compared(MADE.units[:1], api.nodes).trouble is None


def test_where_nodes_cannot_be_asked_that_is_said(server: ApiServer, api: Api) -> None:
    """The role of deployers may not list them; a cluster that begins with none is given some for the first pod."""
    empty = compared(MADE.units, api.nodes)
    server.refuse = forbidden
    for found, words in ((empty, "no node now"), (compared(MADE.units, api.nodes), "ci may not list nodes")):
        assert found.trouble is not None
        assert found.trouble.code == "cluster_nodes_unknown"
        assert words in found.trouble.cause
        assert "bge-m3 asks for 4 cpu, 3,000 MiB memory" in found.table
