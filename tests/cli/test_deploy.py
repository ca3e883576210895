"""`freehold deploy` and its likes before they touch anything; with a real engine they are in tests/e2e."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.deploy.releases.lock import Holder
from freehold.deploy.releases.release import Releases
from tests.cli.conftest import Ran
from tests.deploy.compose.test_docker import programs
from tests.deploy.world import deployment

Run = Callable[..., Ran]
EMPTY_ENGINE = "sys.exit(sys.argv[1] in ('compose', 'image'))"
"""A docker whose engine runs nothing and has no images."""


@pytest.fixture
def engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a configuration, on a machine whose engine runs nothing."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", programs(bin_folder, docker=EMPTY_ENGINE, docker_compose="")["PATH"])
    return folder


@pytest.fixture
def deployed(engine: Path) -> Releases:
    """A deployment by the name freehold, of which nothing runs any more."""
    releases = Releases(engine / "home", "freehold")
    state = engine / "data" / "freehold" / "a"
    (state / "keys").mkdir(parents=True)
    one = deployment("fp32", data=str(engine / "data"))
    holder = Holder("ops", "box", 1, 0.0, "deploy")
    releases.settle(releases.begin(releases.add(one, "models: []\n", {}, holder, images={}, artifacts={})))
    return releases


def test_a_plan_shows_what_would_be_started(freehold: Run, engine: Path, mlp: Path) -> None:
    """And makes nothing, not even a folder."""
    (engine / "freehold.yaml").write_text(f"models: [{{id: soft, source: {mlp}}}]\n")
    ran = freehold("deploy", "--plan", "--json")
    assert ran.code == 0, ran.err
    assert [(unit["unit"], unit["sort"]) for unit in ran.data["units"]] == [("soft", "new")]
    assert ran.data["gateway"]["sort"] == "new"
    assert not (engine / "home" / "releases").exists()
    assert "+ soft: new" in freehold("deploy", "freehold.yaml", "--plan").out


def test_the_help_is_that_of_deploying(freehold: Run) -> None:
    """`deploy` is a verb by itself; `deploy log` is another one."""
    ran = freehold("deploy", "--help")
    assert ran.code == 0
    assert "--accept-differences" in ran.out
    assert freehold("deploy", "log").out == "Nothing was done yet.\n"


def test_what_is_only_rendered_is_not_deployed(freehold: Run, engine: Path) -> None:
    """It names the verb that renders it."""
    (engine / "freehold.yaml").write_text(
        'models: [{id: far, source: "https://llm.corp.example/v1"}]\ndeploy: {target: systemd}\n'
    )
    ran = freehold("deploy", "--json")
    assert (ran.code, ran.error["code"]) == (1, "deploy_target_rendered")


@pytest.mark.parametrize("words", [("status",), ("rollback",), ("logs",), ("down", "--yes")])
def test_where_nothing_is_deployed_that_is_said(freehold: Run, engine: Path, words: tuple[str, ...]) -> None:
    """By every verb that needs something."""
    ran = freehold(*words, "--json")
    assert (ran.code, ran.error["code"]) == (1, "release_none")


def test_several_deployments_have_to_be_told_apart(freehold: Run, folder: Path) -> None:
    """A mistake of the command line, which lists them."""
    for name in ("shop", "office"):
        (folder / "home" / "releases" / name).mkdir(parents=True)
    ran = freehold("status", "--json")
    assert (ran.code, ran.error["code"]) == (2, "deployment_ambiguous")
    assert ran.error["details"]["known"] == "office, shop"
    assert freehold("status", "--name", "shop", "--json").error["code"] == "release_none"


def test_status_says_what_does_not_run(freehold: Run, deployed: Releases) -> None:
    """Of the only deployment that there is."""
    data = freehold("status", "--json").data
    assert (data["name"], data["current"]["number"], len(data["lacking"])) == ("freehold", 1, 2)
    assert "does not run: `freehold deploy` starts it." in freehold("status").out


def test_down_removes_keys_only_when_that_is_said(freehold: Run, deployed: Releases) -> None:
    """Without a word, and without a person to ask, nothing is stopped; --keep-data keeps."""
    data = deployed.folder.parents[2] / "data" / "freehold" / "a"
    ran = freehold("down", "--json")
    assert (ran.code, ran.error["code"]) == (2, "down_unsure")
    assert str(data) in ran.error["cause"]
    assert deployed.current() is not None
    assert freehold("down", "--keep-data").code == 0
    assert deployed.current() is None
    assert data.is_dir()


def test_down_takes_what_services_kept_with_it(freehold: Run, deployed: Releases) -> None:
    """The releases stay."""
    data = deployed.folder.parents[2] / "data" / "freehold" / "a"
    ran = freehold("down", "--yes", "--json")
    assert (ran.code, ran.data["removed"]) == (0, [str(data)])
    lines = freehold("audit", "--what", "deploy", "--json").data["lines"]
    assert [(line["what"], line["outcome"], line["details"]["deployment"]) for line in lines] == [
        ("deploy.down", "asked", "freehold"),
        ("deploy.down", "done", "freehold"),
    ]
    assert not data.exists()
    assert deployed.numbers() == [1]


def test_a_rollback_without_anything_before_is_refused(freehold: Run, deployed: Releases) -> None:
    """With the number that is in force."""
    assert freehold("rollback", "--json").error["code"] == "release_first"
    assert freehold("rollback", "1", "--json").error["code"] == "release_current"
    lines = freehold("audit", "--what", "deploy.rollback", "--json").data["lines"]
    assert [line["outcome"] for line in lines] == ["asked", "release_first", "asked", "release_current"]
    assert lines[-1]["details"] == {"deployment": "freehold", "release": 1}
    assert freehold("deploy", "--to", "7", "--json").error["code"] == "release_absent"


def test_a_recording_that_is_none_is_refused_first(freehold: Run, engine: Path, mlp: Path) -> None:
    """With its line."""
    (engine / "freehold.yaml").write_text(f"models: [{{id: soft, source: {mlp}}}]\n")
    (engine / "goldens.jsonl").write_text('{"path": "v1/embeddings", "body": {}}\n')
    ran = freehold("deploy", "--goldens", "goldens.jsonl", "--json")
    assert (ran.code, ran.error["code"]) == (1, "goldens_invalid")


def test_lines_of_all_services_come_together(freehold: Run, deployed: Releases) -> None:
    """Of one that is not there nothing comes, and that is said."""
    ran = freehold("logs", "--follow")
    assert (ran.code, ran.out) == (0, "")
    assert freehold("logs", "a", "--json").error["code"] == "compose_service_unknown"


def test_a_log_tells_who_did_what(freehold: Run, deployed: Releases) -> None:
    """For programs, too."""
    deployed.note(deployed.read(1), "current")
    assert json.loads(freehold("deploy", "log", "--json").out)[0]["what"] == "current"
    assert "release 1: current" in freehold("deploy", "log").out
