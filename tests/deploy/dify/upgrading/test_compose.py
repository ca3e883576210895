"""Upgrades by Compose: the commands, and their words where they fail."""

from pathlib import Path

import pytest

from freehold.deploy.compose.docker import Docker
from freehold.deploy.dify.upgrading.compose import ComposeStage
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs

KEPT = "open({log!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n'); sys.exit('exec' in sys.argv[1:])"


@pytest.fixture
def stage(tmp_path: Path) -> ComposeStage:
    """One whose Compose writes down what it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    environ = programs(folder, docker_compose=KEPT.format(log=str(tmp_path / "log")))
    asked = lambda: None  # noqa: E731 - nobody is asked
    return ComposeStage(
        docker=Docker(environ, ("docker-compose",)),
        project="ai",
        folder=tmp_path,
        data=lambda _version: pytest.fail("no data is looked at"),
        write=lambda version: ["api", f"web-{version}"],
        ask=asked,
        version="1.15.0",
    )


def test_the_version_in_place_is_migrated_and_started(stage: ComposeStage, tmp_path: Path) -> None:
    """Its migration as a job, its step in the api's image, and all services that it has."""
    stage.put("1.16.0")
    stage.migrate()
    stage.run(("flask", "backfill-plugin-auto-upgrade"))
    stage.start()
    stage.try_out()
    project = f"--project-name ai --file {tmp_path}/compose.yaml"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{project} run --rm -T migration",
        f"{project} run --rm -T --no-deps --entrypoint flask api backfill-plugin-auto-upgrade",
        f"{project} up --detach api web-1.16.0",
    ]


def test_what_fails_is_told(stage: ComposeStage) -> None:
    """With the step that it was."""
    with pytest.raises(FreeholdError, match="exec failed") as failed:
        stage.run(("exec",))
    assert failed.value.code == "dify_upgrade_failed"
