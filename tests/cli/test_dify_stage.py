"""A deployed Dify as something that can be upgraded, with the next version as data of the test's own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.cli.dify_stage import Deployed
from freehold.config import Config, Deploy, Dify, Network
from freehold.deploy.compose.dify import SECRETS_FILE
from freehold.deploy.compose.dify_target import VERSION_FILE
from freehold.deploy.dify.console import Account, Door, open_console
from freehold.deploy.releases.lock import Holder
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology import release
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs
from tests.dify_console.model_server import KEY, model_server
from tests.dify_console.server import serving
from tests.dify_console.state import Dify as Console

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


def test_the_release_in_force_gets_the_version_that_is_there(deploys: Deploys, folder: Path) -> None:
    """A release of its own, in force, with all else as it was; said once. What Dify's folder says goes before it."""
    deploys()
    deployed = Deployed.read(None)
    with deployed.alone() as holder:
        with pytest.raises(FreeholdError) as busy, deployed.alone():
            pytest.fail("another one changes it")
        deployed.record(NEXT, holder)
        after = Deployed.read(None)
        after.record(NEXT, holder)
    assert busy.value.code == "deploy_busy"
    assert (deployed.version, after.version, after.releases.numbers()) == ("1.15.0", NEXT, [1, 2])
    assert after.deployment == deployed.of(NEXT)[0]
    assert f'version: "{NEXT}"' in after.releases.configuration(after.releases.read(2))
    told = folder / "home/releases/freehold/compose" / VERSION_FILE
    told.parent.mkdir(parents=True)
    told.write_text("1.15.0")
    assert after.version == "1.15.0"


@pytest.fixture
def asked(deploys: Deploys, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """What is asked of a deployed Dify, which is served here and has no administrator yet."""
    monkeypatch.setenv("PATH", programs(folder, docker="", docker_compose="")["PATH"])
    secrets = folder / "home/releases/freehold/compose" / SECRETS_FILE
    secrets.parent.mkdir(parents=True)
    secrets.touch(0o600)
    secrets.write_text(json.dumps({"console_password": "secret123", "init_password": "init1234"}))
    with serving(Console()) as console:
        deploys(dify=Dify(version="1.15.0", address=console.url))
        yield console


def test_it_is_asked_what_its_users_ask(asked: Console) -> None:
    """A new one need only be ready; then somebody signs in, and the default model answers; nothing is left of it."""
    stage = Deployed.read(None).stage(lambda _text: None)
    stage.try_out()
    assert asked.asked == ["GET /console/api/setup"]
    asked.with_user().with_plugin()
    with model_server() as models:
        account = Account("admin@example.com", "secret123")
        with open_console(Door(asked.url, Network(), {}), account, lambda _text: None) as console:
            told = {"endpoint_url": models.url, "api_key": KEY, "context_size": "4096", "mode": "chat"}
            console.models.put("chat", "llm", told, "freehold")
            console.models.set_defaults({"llm": "chat"})
        stage.try_out()
        models.status = 500
        with pytest.raises(FreeholdError) as broken:
            stage.try_out()
    assert (broken.value.code, asked.apps) == ("dify_console_smoke", [])
    asked.users[0].password = "another1"
    with pytest.raises(FreeholdError) as refused:
        stage.try_out()
    assert refused.value.code == "dify_console_password"


@pytest.mark.parametrize(
    ("target", "dify", "code"),
    [("compose", None, "dify_backup_not_deployed"), ("kubernetes", Dify(version="1.15.0"), "cluster_config_missing")],
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
