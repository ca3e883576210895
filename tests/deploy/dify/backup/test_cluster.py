"""The place of Kubernetes: `kubectl exec` in pods, writers that stand still and come back, whatever was killed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from freehold.deploy.dify.backup.cluster import SETTINGS, Kubectl, Pods
from freehold.deploy.dify.backup.restoring import drill, restore
from freehold.deploy.dify.backup.saving import Terms, back_up
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.kubernetes.dify.secrets import read_made
from freehold.deploy.kubernetes.naming import secret_of
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.on_cluster import OnCluster, deployed
from tests.deploy.dify.backup.test_saving import at
from tests.deploy.dify.backup.world import KEY, source
from tests.deploy.kubernetes.conftest import NAMESPACE, add_secret, api, server
from tests.deploy.kubernetes.dify.cases import CASES
from tests.kubernetes_api.server import ApiServer
from tests.postgres import Server

__all__ = ["api", "server"]
WITHOUT = Terms([KEY.to_public()], without=frozenset({"vectors"}))
HELD = ("dify-api", "dify-api-websocket", "dify-worker", "dify-worker-beat", "dify-plugin-daemon")


@pytest.fixture
def one(server: ApiServer, api: Api, postgres: Server, tmp_path: Path) -> Iterator[OnCluster]:
    """With a Qdrant for its vectors."""
    with deployed(server, api, postgres, tmp_path / "pods", CASES["dify-qdrant"]) as made:
        yield made


def quiet(_text: str) -> None:
    """Said to nobody."""


def test_a_dify_on_a_cluster_is_saved_tried_and_restored(one: OnCluster, tmp_path: Path) -> None:
    """Its writers are nothing meanwhile, and what they were afterwards; no secret is a word of a command."""
    one.fill()
    before = one.copies()
    assert {before[name] for name in HELD} == {(2, None), (1, None)}
    meanwhile: dict[str, tuple[int, str | None]] = {}
    saved = back_up(
        one.place, tmp_path / "one.age", WITHOUT, at("reading folder", lambda: meanwhile.update(one.copies()))
    )
    assert {meanwhile[name] for name in HELD} == {(0, "2"), (0, "1")}
    assert meanwhile["dify-web"] == before["dify-web"]
    assert (one.copies(), one.files_pods()) == (before, [])
    assert saved.manifest.databases["dify"].rows["accounts"] == 50
    assert saved.manifest.folders["app-storage"].files == 1
    assert saved.manifest.place.startswith("Kubernetes (namespace freehold of test")
    drill(one.place, source(saved.path), quiet)

    one.lose()
    restore(one.place, source(saved.path), quiet)
    assert one.postgres.sql("dify", "SELECT count(*) FROM accounts") == "50\n"
    assert (one.folder / "storage/upload_files/mine").read_text() == "mine"
    assert (one.copies(), one.files_pods()) == (before, [])
    assert one.server.names("Job", NAMESPACE) == []  # `freehold deploy` migrates what came
    words = "\n".join(one.asked())
    assert not [name for name, value in read_made(one.api).items() if value in words]
    begins = f"--context test --namespace {NAMESPACE} exec --stdin "
    told = {line.removeprefix(begins).split(" --container server -- ")[0] for line in one.asked()}
    assert {"dify-db-postgres-0", "dify-api-files", "dify-plugin-daemon-files"} < told  # beside pods that served


def test_what_a_killed_backup_held_comes_back(one: OnCluster) -> None:
    """By the next one, or by `freehold deploy`; one that somebody had stopped stays so."""
    before = one.copies()
    one.server.controllers.scale(NAMESPACE, "dify-worker-beat", 0)
    one.place.freeze()
    one.place.freeze()
    one.place.inside("api", ("true",))
    assert one.files_pods() == ["dify-api-files"]
    assert one.copies()["dify-api"] == (0, "2")
    one.place.thaw()
    assert (one.copies(), one.files_pods()) == ({**before, "dify-worker-beat": (0, None)}, [])
    one.place.freeze()
    one.place.inside("api", ("true",))
    one.server.controllers.scale(NAMESPACE, "dify-worker-beat", 1)
    one.target.start(one.deployment)
    assert (one.copies(), one.files_pods()) == (before, [])


def test_who_scales_a_writer_meanwhile_is_noticed(one: OnCluster, tmp_path: Path) -> None:
    """A GitOps controller, say: no backup is left, and all that was held goes on."""
    before = one.copies()

    disturb = at("reading folder", lambda: one.server.controllers.scale(NAMESPACE, "dify-worker", 2))
    with pytest.raises(FreeholdError) as disturbed:
        back_up(one.place, tmp_path / "one.age", WITHOUT, disturb)
    assert disturbed.value.code == "dify_backup_disturbed"
    assert "dify-worker" in disturbed.value.cause
    assert one.copies() == before
    assert not list(tmp_path.glob("*.age*"))


def pods(api: Api, case: str) -> Pods:
    """The place of a Dify that nobody started."""
    dify = dify_of(CASES[case])
    assert dify is not None
    return Pods(api, Kubectl("kubectl", {}), CASES[case], dify)


def add_made(server: ApiServer, place: Pods) -> None:
    """Its Secret, in which every value is `x`."""
    server.add(server.kind("Namespace"), "", NAMESPACE)
    data = dict.fromkeys(place.dify.secrets, "eA==")
    server.add(server.kind("Secret"), NAMESPACE, SECRETS, data=data)


def test_its_settings_are_the_secret_that_a_new_cluster_is_given(server: ApiServer, api: Api) -> None:
    """As `kubectl apply` takes it; one that was never deployed here is told."""
    place = pods(api, "dify")
    with pytest.raises(FreeholdError) as missing:
        place.found()
    assert missing.value.code == "dify_secrets_missing"
    add_made(server, place)
    found = place.found()
    tree = yaml.safe_load(found.environment[SETTINGS])
    assert (tree["kind"], tree["metadata"]["name"]) == ("Secret", SECRETS)
    assert tree["stringData"] == dict(read_made(api))
    assert found.bound["SECRET_KEY"] == "x"
    assert [(one.piece, one.service) for one in found.databases] == [
        ("dify", "db_postgres"),
        ("dify_plugin", "db_postgres"),
        ("vectors", "pgvector"),
    ]
    with pytest.raises(FreeholdError) as absent:
        place.inside("db_postgres", ("psql",))
    assert absent.value.code == "dify_backup_absent"


def test_a_postgresql_of_the_users_own_is_asked_from_here(server: ApiServer, api: Api) -> None:
    """By its address, verified, its password in no word; what lies in an object store is outside."""
    place = replace(pods(api, "dify-own"), authorities="/ca.pem")
    add_made(server, place)
    for secret in place.dify.given.values():
        add_secret(server, NAMESPACE, secret_of(secret))
    found = place.found()
    assert {one.service for one in found.databases} == {"your PostgreSQL"}
    assert found.outside == {"vectors": "weaviate", "files": "s3"}
    command = place.inside("your PostgreSQL", ("psql", "-X"))
    assert command.words == ("psql", "-X")
    assert {name: command.environ[name] for name in command.environ if name.startswith("PG")} == {
        "PGHOST": "10.0.0.5",
        "PGPORT": "5432",
        "PGPASSWORD": "x",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
        "PGCONNECT_TIMEOUT": "10",
    }


def test_a_machine_without_kubectl_is_told() -> None:
    """Before anything is asked."""
    with pytest.raises(FreeholdError) as missing:
        Kubectl.find({"PATH": "/none"}, None)
    assert missing.value.code == "dify_backup_kubectl_missing"
