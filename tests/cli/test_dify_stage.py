"""A deployed Dify as something that can be upgraded, with the next version as data of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.cli.dify_stage import Deployed
from freehold.config import Config, Deploy, Dify
from freehold.deploy.releases.lock import Holder
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology import release
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs

Deploys = Callable[..., None]
NEXT = "1.16.0"
DIFY = Dify(version="1.15.0")


@pytest.fixture
def deploys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deploys:
    """Puts a configuration in force, in a world with two versions of Dify."""
    text = (release._FOLDER / "1.15.0.yaml").read_text("utf-8")
    versions = folder / "versions"
    versions.mkdir()
    (versions / "1.15.0.yaml").write_text(text)
    newer = text.replace("1.15.0", NEXT).replace("LOG_LEVEL: INFO", 'LOG_LEVEL: WARNING\n      NEW_SWITCH: "1"')
    (versions / f"{NEXT}.yaml").write_text(newer)
    monkeypatch.setattr(release, "_FOLDER", versions)

    def deploy(target: str = "compose", dify: Dify | None = DIFY) -> None:
        releases = Releases(folder / "home", "freehold")
        config = Config(dify=dify, deploy=Deploy(target=target, data=str(folder / "data")))
        holder = Holder("ops", "box", 1, 0.0, "deploy")
        one = Deployment.of(config)
        releases.settle(releases.begin(releases.add(one, "models: []\n", {}, holder, images={}, artifacts={})))

    return deploy


def test_the_next_version_is_written_where_compose_is_started(
    deploys: Deploys, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file and secrets; the secrets of the version before stay."""
    deploys()
    monkeypatch.setenv("PATH", programs(folder, docker="", docker_compose="")["PATH"])
    deployed = Deployed.read(None)
    stage = deployed.stage(lambda _text: None)
    stage.put("1.15.0")
    home = folder / "home/releases/freehold/compose"
    secrets = (home / "dify/secrets.json").read_bytes()
    stage.put(NEXT)
    assert f"dify-api:{NEXT}" in (home / "compose.yaml").read_text()
    assert (home / "dify/secrets.json").read_bytes() == secrets
    assert deployed.version == "1.15.0"


@pytest.mark.parametrize(
    ("target", "dify", "code"),
    [("compose", None, "dify_backup_not_deployed"), ("kubernetes", Dify(version="1.15.0"), "dify_upgrade_cluster")],
)
def test_what_cannot_be_upgraded_is_told(deploys: Deploys, target: str, dify: Dify | None, code: str) -> None:
    """A deployment without Dify, one on a cluster."""
    deploys(target, dify)
    with pytest.raises(FreeholdError) as refused:
        Deployed.read(None).stage(lambda _text: None)
    assert refused.value.code == code


def test_nothing_in_force_is_told(folder: Path) -> None:
    """There is no release."""
    assert folder.is_dir()
    with pytest.raises(FreeholdError) as refused:
        Deployed.read(None)
    assert refused.value.code == "release_none"
