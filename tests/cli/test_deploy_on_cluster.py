"""`freehold deploy` and its likes on a cluster: an API server that refuses as a real one does, over HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from freehold.cli.deployments import releases_of
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.kubernetes.lease import Term
from freehold.deploy.releases.deploying import Deploying, Wanted
from freehold.deploy.releases.rolling import Terms
from tests.cli.conftest import PATIENCE_S, Ran
from tests.deploy.kubernetes.conftest import NAMESPACE, reached
from tests.deploy.kubernetes.gateways import Gateways
from tests.deploy.kubernetes.test_rolling_on_cluster import clock
from tests.docker_registry import free_port
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.refusals import RefusalError
from tests.kubernetes_api.requests import Request

Run = Callable[..., Ran]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def configuration(folder: Path) -> Path:
    """One model, which is on the cluster's volume."""
    models = [{"id": "bge", "source": "/models/bge"}]
    silent = f"127.0.0.1:{free_port()}/mirror"
    settings = {"target": "kubernetes", "context": "test", "registry": silent, "storage": {"claim": "models"}}
    file = folder / "freehold.yaml"
    file.write_text(yaml.safe_dump({"models": models, "deploy": settings}))
    return file


def test_a_deployment_comes_answers_for_itself_and_goes(freehold: Run, cluster: Gateways, configuration: Path) -> None:
    """Deployed, its state and lines shown, taken down; nothing that runs is left, no key, and what stays is told."""
    server = cluster.server
    server.controllers.outcomes["bge"] = Outcome(log=("ready to serve",))
    done = freehold("deploy")
    assert done.code == 0, done.err
    assert server.names("Deployment", NAMESPACE)[1:] == ["gateway"]
    assert server.names("Job", NAMESPACE) == []
    assert [one["state"] for one in freehold("status", "--json").data["services"]] == ["ready", "ready"]
    assert "ready to serve" in freehold("logs", "bge").out
    assert ": ready to serve" in freehold("logs", "--follow").out
    assert freehold("down", "--json").error["code"] == "down_unsure"
    done = freehold("down", "--yes", "--json")
    assert done.code == 0, done.err
    assert server.names("Deployment", NAMESPACE) == server.names("Pod", NAMESPACE) == []
    assert done.data["removed"] == ["freehold-access", "freehold-internal"]
    assert "the claim models" in done.data["stays"]
    assert server.names("Secret", NAMESPACE) == []


def test_a_check_that_fails_refuses_the_deploy(freehold: Run, cluster: Gateways, configuration: Path) -> None:
    """Nothing is started; what is wrong is told as the image told it."""
    table = ("fail  verify:bge  output 0 differs by 0.3", "                  fix: convert the model again")
    cluster.server.controllers.outcomes["bge"] = Outcome("crash", log=table)
    done = freehold("deploy", "--json")
    assert (done.code, done.error["code"]) == (1, "cluster_check_failed")
    assert "verify:bge output 0 differs by 0.3" in done.error["cause"]
    assert "convert the model again" in done.error["fix"]
    assert cluster.server.names("Deployment", NAMESPACE) == []


def test_a_context_that_is_not_there_is_told_first(freehold: Run, cluster: Gateways, configuration: Path) -> None:
    """Before anything is asked of any cluster."""
    configuration.write_text(configuration.read_text().replace("context: test", "context: prod"))
    done = freehold("deploy", "--json")
    assert (done.code, done.error["code"]) == (1, "cluster_config_missing")
    assert "Contexts there: test" in done.error["cause"]


def test_a_killed_deploy_is_finished_by_the_next_one(
    freehold: Run, cluster: Gateways, configuration: Path, folder: Path
) -> None:
    """Its Lease keeps others out until it is over, then it is taken over and the release goes on: one version is left,
    no weight went to what was not ready, and nothing with weight was stopped."""
    server = cluster.server
    assert freehold("deploy").code == 0
    (old,) = (name for name in server.names("Deployment", NAMESPACE) if name != "gateway")
    tree = yaml.safe_load(configuration.read_text())
    tree["models"][0]["precision"] = "int8"
    configuration.write_text(yaml.safe_dump(tree))
    with (folder / "err").open("wb") as err:
        process = subprocess.Popen([sys.executable, "-m", "freehold.cli.main", "deploy"], stderr=err)

    def kill(request: Request) -> RefusalError | None:
        if request.verb == "patch" and request.resource.kind == "Deployment" and request.name != "gateway":
            process.send_signal(signal.SIGKILL)
        return None

    server.refuse = kill
    assert process.wait(PATIENCE_S) == -signal.SIGKILL, (folder / "err").read_text()
    server.refuse = lambda request: None
    assert freehold("status", "--json").data["interrupted"]["number"] == 2
    held = freehold("deploy", "--json").error
    assert (held["code"], f":{process.pid}" in held["cause"]) == ("cluster_held", True)
    lease = server.object("Lease", "freehold-freehold", NAMESPACE)
    assert lease is not None
    lease["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"  # half a minute is too long for a test
    server.storage.update(server.kind("Lease"), NAMESPACE, "freehold-freehold", lease, "freehold")
    releases = releases_of("freehold", os.environ)
    left = releases.interrupted()
    assert left is not None
    with reached(server, folder) as api:
        finished(api, left.number)
    assert (releases.interrupted(), [one.state for one in releases.all()]) == (None, ["superseded", "current"])
    names = server.names("Deployment", NAMESPACE)
    assert (len(names), old in names) == (2, False)
    assert cluster.sins == []


def finished(api: Api, number: int) -> None:
    """Deploy the release again, with a Lease of a second and a clock that runs."""
    releases = releases_of("freehold", os.environ)
    release = releases.read(number)
    target = Cluster(api, "freehold", {}, term=Term(1, 0.02))
    deploying = Deploying(releases, target, lambda _deployment: {}, hold=target.held, clock=clock())
    wanted = Wanted(releases.deployment(release), releases.configuration(release))
    assert deploying.deploy(wanted, Terms((50, 100), 1.0, None)).number == number
