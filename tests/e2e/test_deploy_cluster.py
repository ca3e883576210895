"""`freehold deploy` and its likes on a cluster: an API server that refuses as a real one does, over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.kubernetes.conftest import NAMESPACE, kubeconfig
from tests.deploy.kubernetes.gateways import Gateways, gateways
from tests.docker_registry import free_port
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.server import ApiServer

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster() -> Iterator[Gateways]:
    """A cluster with nothing in it, and the gateways that come to be there."""
    with ApiServer().running() as server, gateways(server) as copies:
        yield copies


@pytest.fixture
def run(cluster: Gateways, tmp_path: Path) -> Run:
    """A command in a folder with a configuration of one model, which is on the cluster's volume."""
    models = [{"id": "bge", "source": "/models/bge"}]
    silent = f"127.0.0.1:{free_port()}/mirror"
    settings = {"target": "kubernetes", "context": "test", "registry": silent, "storage": {"claim": "models"}}
    (tmp_path / "freehold.yaml").write_text(yaml.safe_dump({"models": models, "deploy": settings}))
    file = kubeconfig(tmp_path, cluster.server.url)
    environ = os.environ | {"FREEHOLD_HOME": str(tmp_path / "home"), "KUBECONFIG": str(file), "FREEHOLD_LANG": "en"}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "freehold.cli.main", *words]
        return subprocess.run(line, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100)

    return command


def nodes(cluster: Gateways) -> None:
    """One that is large enough."""
    room = {"allocatable": {"cpu": "8", "memory": "64Gi"}}
    cluster.server.add(cluster.server.kind("Node"), "", "node-1", status=room)


def test_a_deployment_comes_answers_for_itself_and_goes(cluster: Gateways, run: Run) -> None:
    """Deployed, its state and lines shown, taken down; nothing that runs is left, no key, and what stays is told."""
    server = cluster.server
    nodes(cluster)
    server.controllers.outcomes["bge"] = Outcome(log=("ready to serve",))
    done = run("deploy")
    assert done.returncode == 0, done.stderr
    assert server.names("Deployment", NAMESPACE)[1:] == ["gateway"]
    assert server.names("Job", NAMESPACE) == []
    status = json.loads(run("status", "--json").stdout)
    assert [one["state"] for one in status["services"]] == ["ready", "ready"]
    assert "ready to serve" in run("logs", "bge").stdout
    done = run("down", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert server.names("Deployment", NAMESPACE) == server.names("Pod", NAMESPACE) == []
    assert json.loads(done.stdout)["removed"] == ["freehold-access", "freehold-internal"]
    assert "the claim models" in json.loads(done.stdout)["stays"]
    assert server.names("Secret", NAMESPACE) == []


def test_a_check_that_fails_refuses_the_deploy(cluster: Gateways, run: Run) -> None:
    """Nothing is started; what is wrong is told as the image told it."""
    table = ("fail  verify:bge  output 0 differs by 0.3", "                  fix: convert the model again")
    cluster.server.controllers.outcomes["bge"] = Outcome("crash", log=table)
    nodes(cluster)
    done = run("deploy")
    assert done.returncode == 1
    assert "verify:bge output 0 differs by 0.3" in done.stderr
    assert "convert the model again" in done.stderr
    assert "(cluster_check_failed)" in done.stderr
    assert cluster.server.names("Deployment", NAMESPACE) == []


def test_a_context_that_is_not_there_is_told_first(run: Run, tmp_path: Path) -> None:
    """Before anything is asked of any cluster."""
    file = tmp_path / "freehold.yaml"
    file.write_text(file.read_text().replace("context: test", "context: prod"))
    done = run("deploy")
    assert done.returncode == 1
    assert "(cluster_config_missing)" in done.stderr
    assert "Contexts there: test" in done.stderr
