"""The Dify on a cluster, as verbs reach it."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.cli.deployments import releases_of
from freehold.cli.dify_installations import alone, data_of, on_cluster, with_version
from freehold.cli.dify_stage import Deployed
from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.releases.lock import Holder
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs
from tests.deploy.kubernetes.conftest import NAMESPACE, kubeconfig, server
from tests.deploy.kubernetes.dify.cases import CASES
from tests.kubernetes_api.server import ApiServer

__all__ = ["server"]
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the end of a command ends its connections
CASE = CASES["dify"]


@pytest.fixture
def environ(server: ApiServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """One whose configuration is in force, and whose data is of a release."""
    labels = {"app.kubernetes.io/version": "1.15.0"}
    server.add(server.kind("Namespace"), "", NAMESPACE)
    secret = {"metadata": {"name": SECRETS, "labels": labels}, "data": {}}
    server.storage.create(server.kind("Secret"), NAMESPACE, secret, "test")
    said = programs(folder, kubectl="") | {"FREEHOLD_HOME": str(folder / "home")}
    said["KUBECONFIG"] = str(kubeconfig(folder, server.url))
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    releases = releases_of("freehold", said)
    holder = Holder("ops", "box", 1, 0.0, "deploy")
    releases.settle(releases.begin(releases.add(CASE, "models: []\n", {}, holder, images={}, artifacts={})))
    yield said
    gc.collect()


def test_its_data_is_of_the_release_that_the_cluster_says(environ: dict[str, str], folder: Path) -> None:
    """Read where its programs run; without kubectl that is told."""
    assert on_cluster(with_version(CASE, "1.14.0"), environ).version == "1.15.0"
    assert data_of(None, "freehold", environ, folder).name.startswith("Kubernetes (namespace freehold of test")
    assert Deployed.read("freehold").version == "1.15.0"
    stage = Deployed.read("freehold").stage(lambda _text: None)
    stage.verify("1.15.0")
    with pytest.raises(FreeholdError) as missing:
        data_of(None, "freehold", environ | {"PATH": "/none"}, folder)
    assert missing.value.code == "dify_backup_kubectl_missing"


def test_nobody_else_changes_it_meanwhile(environ: dict[str, str], folder: Path) -> None:
    """From this machine by its lock, from another one by the Lease of the deployment."""
    elsewhere = environ | {"FREEHOLD_HOME": str(folder / "elsewhere")}
    with alone(None, "freehold", environ, folder, "dify backup"):
        with pytest.raises(FreeholdError) as here, alone(None, "freehold", environ, folder, "dify restore"):
            pytest.fail("two at once")
        with pytest.raises(FreeholdError) as there, on_cluster(CASE, elsewhere).held("deploy"):
            pytest.fail("two at once")
    assert (here.value.code, there.value.code) == ("deploy_busy", "cluster_held")
    assert "dify backup" in there.value.cause
    with alone(None, "freehold", environ, folder, "dify backup"):
        pass
