"""Services that stand still: no copies, and the number that they had."""

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.holding import HELD, forget, hold, is_held, let_go
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.deploy.kubernetes.dify.cases import of_kind
from tests.kubernetes_api.server import ApiServer


@pytest.fixture
def worker(server: ApiServer, api: Api) -> Api:
    """A Dify of one Deployment."""
    server.add(server.kind("Namespace"), "", NAMESPACE)
    api.apply(of_kind("dify", "Deployment")["dify-worker"])
    return api


def state(server: ApiServer) -> tuple[int, str | None]:
    """Copies, and what is noted."""
    found = server.object("Deployment", "dify-worker", NAMESPACE)
    assert found is not None
    return found["spec"]["replicas"], found["metadata"].get("annotations", {}).get(HELD)


def test_what_is_held_has_its_number_back(server: ApiServer, worker: Api) -> None:
    """However often either is done, in one write each; what is not there is left out."""
    before = len(server.writes())
    for _ in range(2):
        hold(worker, ("worker", "api"))
        assert (state(server), is_held(worker, "dify-worker")) == ((0, "2"), True)
    for _ in range(2):
        let_go(worker, ("worker", "api"))
        assert (state(server), is_held(worker, "dify-worker")) == ((2, None), False)
    assert len(server.writes()) == before + 2


def test_pods_that_do_not_end_are_told(server: ApiServer, worker: Api) -> None:
    """A node that is silent keeps them: they might write."""
    labels = {"app.kubernetes.io/instance": "dify-worker"}
    server.storage.create(server.kind("Pod"), NAMESPACE, {"metadata": {"name": "lost", "labels": labels}}, "kubelet")
    moments = iter((0.0, 100.0, 200.0))
    with pytest.raises(FreeholdError) as lasting:
        hold(worker, ("worker",), lambda: next(moments, 200.0))
    assert lasting.value.code == "dify_backup_not_held"
    assert "lost" in lasting.value.cause


def test_a_deploy_takes_back_what_was_held(server: ApiServer, worker: Api) -> None:
    """By force, since the number is somebody's who changed it; then nothing is noted."""
    hold(worker, ("worker",))
    tree = of_kind("dify", "Deployment")["dify-worker"]
    with pytest.raises(FreeholdError) as conflict:
        worker.apply(tree)
    assert conflict.value.code == "cluster_conflict"
    worker.apply(tree, force=True)
    forget(worker, "dify-worker")
    assert state(server) == (2, None)
