"""Upgrades on a cluster: its API server is a stand-in, PostgreSQL and files are real, the migration is SQL."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from freehold.cli.dify_installations import with_version
from freehold.deploy.dify.upgrading.cluster import ClusterStage
from freehold.deploy.dify.upgrading.plan import Plan
from freehold.deploy.dify.upgrading.running import Safety, upgrade
from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.topology import release
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.on_cluster import OnCluster, deployed
from tests.deploy.dify.backup.test_saving import at
from tests.deploy.dify.backup.world import KEY
from tests.deploy.dify.upgrading.test_running import GOOD, HALF
from tests.deploy.kubernetes.conftest import NAMESPACE, api, server
from tests.deploy.kubernetes.dify.cases import CASES
from tests.kubernetes_api.controllers import Outcome
from tests.kubernetes_api.server import ApiServer
from tests.postgres import Server

__all__ = ["api", "server"]
NEXT = "1.16.0"
STEP = ("flask", "backfill-plugin-auto-upgrade")
PLAN = Plan("1.15.0", NEXT, (), (), (), (), (STEP,))


@pytest.fixture
def one(
    server: ApiServer, api: Api, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OnCluster]:
    """Filled, in a world with two versions of Dify."""
    text, versions = (release._FOLDER / "1.15.0.yaml").read_text("utf-8"), tmp_path / "versions"
    versions.mkdir()
    for version in ("1.15.0", NEXT):
        (versions / f"{version}.yaml").write_text(text.replace("1.15.0", version))
    monkeypatch.setattr(release, "_FOLDER", versions)
    with deployed(server, api, postgres, tmp_path / "pods", CASES["dify-qdrant"]) as made:
        made.fill()
        yield made


@pytest.fixture
def safety(tmp_path: Path) -> Safety:
    """Where the backup and the journal of an upgrade go."""
    return Safety(tmp_path / "before.age", [KEY], tmp_path / "state/upgrade.json", frozenset({"vectors"}))


def stage_of(one: OnCluster, say: Callable[[str], None], ask: Callable[[], None] = lambda: None) -> ClusterStage:
    """The stage, from 1.15.0 on."""
    of = cache(lambda version: with_version(one.deployment, version))

    def data(version: str) -> object:
        one.deployment = of(version)
        return one.place

    return ClusterStage(one.target, of, data, ask, say, "1.15.0")


def images(one: OnCluster) -> set[str]:
    """Of the services that have Dify's own tag."""
    found = one.server.storage.all(one.server.kind("Deployment"), NAMESPACE)
    every = {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found}
    return {image for image in every if "dify-api" in image}


def test_a_dify_on_a_cluster_is_upgraded(one: OnCluster, safety: Safety) -> None:
    """Nobody writes while the Job migrates; its step is a Job too; then all has the new images and its copies."""
    before = one.copies()
    meanwhile: dict[str, tuple[int, str | None]] = {}

    def migrate() -> None:
        if not meanwhile:
            one.postgres.sql("dify", GOOD)
            meanwhile.update(one.copies())

    upgrade(stage_of(one, at("bringing Dify's database", migrate)), PLAN, safety, lambda _text: None)
    assert {meanwhile[name] for name in ("dify-api", "dify-plugin-daemon")} == {(0, "2"), (0, "1")}
    assert (one.copies(), one.files_pods()) == (before, [])
    assert images(one) == {f"langgenius/dify-api:{NEXT}"}
    assert one.target.version() == NEXT
    writes = one.server.writes()
    (step,) = (place for place, told in enumerate(writes) if told.startswith("patch jobs.batch/dify-step-1-16-0-"))
    assert step < max(place for place, told in enumerate(writes) if told == "patch deployments.apps/dify-api")
    assert one.postgres.sql("dify", "SELECT version_num FROM alembic_version") == "1160\n"


@pytest.mark.soak
def test_a_migration_that_fails_is_taken_back(one: OnCluster, safety: Safety) -> None:
    """Half of it was done: the older version runs again with all its data, and the version of that is told."""
    before, halves = one.copies(), [HALF]
    one.server.controllers.outcomes["dify-migration-1-16"] = Outcome("crash", log=("division by zero",))

    def migrate() -> None:
        while halves:
            with pytest.raises(AssertionError):
                one.postgres.sql("dify", halves.pop())

    with pytest.raises(FreeholdError) as failed:
        upgrade(stage_of(one, at("bringing Dify's database", migrate)), PLAN, safety, lambda _text: None)
    assert failed.value.code == "dify_upgrade_taken_back", failed.value
    assert "division by zero" in failed.value.cause
    assert (one.copies(), one.files_pods()) == (before, [])
    assert images(one) == {"langgenius/dify-api:1.15.0"}
    assert one.target.version() == "1.15.0"
    assert one.postgres.sql("dify", "SELECT count(*), min(name) FROM apps") == "2|one\n"
    assert not [name for name in one.server.names("Job", NAMESPACE) if "1-16" in name]


def test_what_is_lacking_is_told_before(one: OnCluster) -> None:
    """Of the version that is wanted; nothing is changed."""
    stage = stage_of(one, lambda _text: None)
    before = one.server.writes()
    stage.verify(NEXT)
    assert dify_of(with_version(one.deployment, NEXT)) is not None
    with pytest.raises(FreeholdError) as unknown:
        stage.verify("9.9.9")
    assert unknown.value.code == "dify_version_unknown"
    assert one.server.writes() == before
