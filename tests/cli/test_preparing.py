"""What comes before a rollout on a cluster: a real registry, and an API server that refuses as a real one does."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.cli.references import local_store
from freehold.store import Stored
from tests.cli.conftest import Ran
from tests.cli.test_models import mlp_artifact
from tests.deploy.kubernetes.conftest import NAMESPACE, forbidden
from tests.deploy.kubernetes.gateways import Gateways
from tests.docker_registry import docker_registry, free_port, password_settings
from tests.kubernetes_api.requests import Request

Run = Callable[..., Ran]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with the user anna."""
    folder = tmp_path_factory.mktemp("registry")
    with docker_registry(folder, password_settings(folder)) as host:
        yield host


@pytest.fixture
def stored(folder: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """mlp:1 in the store, and a configuration whose pods pull it; anna is logged in."""
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "docker"))
    monkeypatch.setenv("FREEHOLD_REGISTRY_USERNAME", "anna")
    monkeypatch.setenv("FREEHOLD_REGISTRY_PASSWORD", "open sesame")
    silent = f"127.0.0.1:{free_port()}/x"
    deploy = {"target": "kubernetes", "pull_from": f"{registry}/{folder.name}", "registry": silent}
    (folder / "freehold.yaml").write_text(json.dumps({"models": [{"id": "m", "source": "mlp:1"}], "deploy": deploy}))
    return local_store(os.environ).add(mlp_artifact(folder / "artifact"), "mlp")


def test_artifacts_are_pushed_before_pods_pull_them_by_digest(
    freehold: Run, cluster: Gateways, stored: Stored, registry: str, folder: Path
) -> None:
    """The plan says what would move, the deploy moves it, and a second time nothing is left to move. The key for
    clients, images without a digest and nodes that may not be listed are told."""
    place = f"oci://{registry}/{folder.name}/mlp"
    planned = freehold("deploy", "--plan", "--json")
    assert planned.code == 0, planned.err
    (transfer,) = planned.data["transfers"]
    assert (transfer["ref"], transfer["place"]) == ("mlp:1", place)
    assert transfer["bytes"] > 100
    assert [note["code"] for note in planned.data["notes"]][:2] == ["note_keys_apart", "deploy_image_unpinned"]
    shown = freehold("deploy", "--plan")
    assert f"> mlp:1: 0.0 MB to {place}" in shown.out
    assert "so these are used by their tags" in shown.err
    assert cluster.server.writes() == []

    def refuse(request: Request) -> Exception | None:
        return forbidden(request) if request.resource.kind == "Node" else None

    cluster.server.refuse = refuse  # type: ignore[assignment]  # a refusal is an exception
    done = freehold("deploy")
    assert done.code == 0, done.err
    assert "(cluster_nodes_unknown)" in done.err
    assert "Its own key, an operator's: kubectl -n freehold get secret freehold-access" in done.out
    (unit,) = (name for name in cluster.server.names("Deployment", NAMESPACE) if name != "gateway")
    pod = cluster.server.object("Deployment", unit, NAMESPACE)
    assert pod is not None
    command = pod["spec"]["template"]["spec"]["initContainers"][0]["args"]
    assert f"{place}@{stored.oci_digest}" in command
    assert freehold("deploy", "--plan", "--json").data["transfers"] == []


def test_a_refused_push_is_a_refused_deploy(
    freehold: Run, cluster: Gateways, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is changed: there is not even a release."""
    monkeypatch.setenv("FREEHOLD_REGISTRY_PASSWORD", "wrong")
    ran = freehold("deploy", "--json")
    assert (ran.code, ran.error["code"]) == (1, "registry_login_needed")
    assert cluster.server.names("Deployment", NAMESPACE) == cluster.server.names("Secret", NAMESPACE) == []
    assert freehold("status", "--json").error["code"] == "release_none"
