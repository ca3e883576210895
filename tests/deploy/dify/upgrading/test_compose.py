"""Upgrades by Compose: the commands, and their words where they fail; on an engine: tests/e2e/test_upgrade_dify.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from freehold.deploy.compose.dify_target import VERSION_FILE, ComposeDify
from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs
from tests.deploy.topology.configured import VERSION, config

KEPT = "open({log!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n'); sys.exit('exec' in sys.argv[1:])"


@pytest.fixture
def stage(tmp_path: Path) -> ComposeStage:
    """One whose Compose writes down what it is asked, and whose engine has no container."""
    folder = tmp_path / "bin"
    folder.mkdir()
    environ = programs(folder, docker="", docker_compose=KEPT.format(log=str(tmp_path / "log")))
    return ComposeStage(
        target=ComposeDify(Docker(environ, ("docker-compose",)), "ai", tmp_path),
        deployment=lambda _version: replace(Deployment.of(config()), config=config()),
        data=lambda _version: pytest.fail("no data is looked at"),
        ask=lambda: None,
        say=lambda _text: None,
        version="1.14.0",
    )


def test_a_version_is_laid_and_its_databases_come_first(stage: ComposeStage, tmp_path: Path) -> None:
    """What has the data is made and not started; the release is told before its databases are touched."""
    with pytest.raises(FreeholdError) as gone:
        stage.put(VERSION)
    assert (gone.value.code, gone.value.details["service"]) == ("dify_job_failed", "init_permissions")
    assert (stage.version, (tmp_path / VERSION_FILE).read_text()) == (VERSION, VERSION)
    project = f"-p ai --project-directory {tmp_path} -f {tmp_path}/compose.yaml"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{project} up --no-start --no-deps api plugin_daemon",
        f"{project} up -d --no-deps init_permissions db_postgres redis pgvector",
    ]


def test_what_fails_is_told(stage: ComposeStage, tmp_path: Path) -> None:
    """With the step that it was."""
    stage.run(("flask", "backfill"))
    assert (tmp_path / "log").read_text().endswith(" run --rm -T --no-deps --entrypoint flask api backfill\n")
    with pytest.raises(FreeholdError, match="exec failed") as failed:
        stage.run(("exec",))
    assert failed.value.code == "dify_upgrade_failed"
