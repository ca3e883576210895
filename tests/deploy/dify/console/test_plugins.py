"""Plugins: installed once, waited for, begun again after what passes, never replaced at the price of credentials."""

from typing import Any

import pytest

from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened
from tests.dify_console.model_server import KEY, ModelServer
from tests.dify_console.plugin_routes import BAD_SIGNATURE
from tests.dify_console.state import IDENTIFIER, PLUGIN, Dify, Model

PACKAGE = b"PK" + bytes(1000)
SILENT = (
    "failed to install dependencies: signal: killed, output: init process exited due to no activity for 120 seconds"
)
INSTALL = "POST /console/api/workspaces/current/plugin/install/pkg"
UNINSTALL = "POST /console/api/workspaces/current/plugin/uninstall"


@pytest.fixture
def bare() -> Dify:
    """One without the plugin."""
    return Dify().with_user()


def test_a_package_is_uploaded_installed_and_waited_for(opened: Opened, bare: Dify, said: list[str]) -> None:
    """Every step is said, and the workspace has it then."""
    bare.pending = 3
    with opened(bare) as console:
        assert console.plugins.installed() is None
        installed = console.plugins.install(PACKAGE, name="provider.difypkg")
        assert (installed.plugin, installed.version, installed.identifier) == (PLUGIN, "0.0.63", IDENTIFIER)
        assert console.plugins.installed() == installed
    assert bare.uploaded == {IDENTIFIER: PACKAGE}
    assert said[0].startswith("uploading provider.difypkg")
    assert sum("running: Installed" in line for line in said) == 3


def test_what_is_there_is_left_as_it_is(opened: Opened, bare: Dify) -> None:
    """In another version too: Dify would delete credentials with the old one."""
    bare.with_plugin(f"{PLUGIN}:0.0.50@{'cd' * 32}")
    with opened(bare) as console:
        assert console.plugins.install(PACKAGE).version == "0.0.50"
    assert bare.times(INSTALL) == 0


def test_the_plugin_is_found_behind_the_first_page(opened: Opened, bare: Dify) -> None:
    """Lists have pages."""
    for number in range(230):
        bare.with_plugin(f"someone/tool{number}:1.0.0@{'ef' * 32}")
    with opened(bare) as console:
        assert console.plugins.installed() is None
        bare.with_plugin()
        assert console.plugins.installed() is not None


def test_an_older_list_without_pages_ends(opened: Opened, bare: Dify) -> None:
    """It gives all of it whatever is asked."""
    for number in range(130):
        bare.with_plugin(f"someone/tool{number}:1.0.0@{'ef' * 32}")
    bare.changed["GET /console/api/workspaces/current/plugin/list"] = lambda _: {"plugins": bare.plugins}
    with opened(bare) as console:
        assert console.plugins.installed() is None


def test_an_installation_that_is_under_way_is_waited_for(opened: Opened, bare: Dify) -> None:
    """After the time was over the same command follows the same task."""
    bare.pending = -1
    with opened(bare) as console:
        with pytest.raises(FreeholdError, match=r"running: Installed.*\[dify_console_plugin_slow\]"):
            console.plugins.install(PACKAGE, wait_s=0.02)
        bare.pending = 1 + next(iter(bare.tasks.values()))["looks"]
        assert console.plugins.install(PACKAGE).identifier == IDENTIFIER
    assert bare.times(INSTALL) == 1


def task(failure: str | None) -> dict[str, Any]:
    """An installation that somebody began before."""
    return {"id": "before", "identifier": IDENTIFIER, "looks": 0, "failure": failure}


def test_a_plugin_that_is_listed_while_it_is_installed_is_waited_for(opened: Opened, dify: Dify) -> None:
    """The list shows it before it can run."""
    dify.tasks["before"], dify.pending = task(None), -1
    with opened(dify) as console:
        with pytest.raises(FreeholdError, match=r"\[dify_console_plugin_slow\]"):
            console.plugins.install(PACKAGE, wait_s=0.02)
        dify.pending = 10_000
        dify.tasks["before"]["looks"] = 10_000
        assert console.plugins.install(PACKAGE).identifier == IDENTIFIER
    assert (dify.times(INSTALL), dify.times(UNINSTALL)) == (0, 0)


@pytest.mark.parametrize("models", [0, 1])
def test_one_that_half_failed_before_is_begun_again(opened: Opened, dify: Dify, models: int) -> None:
    """Taken out first where nothing hangs on it, else Dify says that all is there."""
    dify.tasks["before"], dify.pending = task("killed"), 0
    dify.tasks["before"]["looks"] = 1
    dify.models += [Model("kept", "llm")] * models
    with opened(dify) as console:
        assert console.plugins.install(PACKAGE).identifier == IDENTIFIER
    assert (dify.times(INSTALL), dify.times(UNINSTALL), len(dify.models)) == (1, 1 - models, models)
    assert "before" not in dify.tasks


@pytest.mark.parametrize("half", [False, True])
def test_an_attempt_that_died_of_its_time_is_begun_again(
    opened: Opened, bare: Dify, said: list[str], half: bool
) -> None:
    """What it left in the list is taken out first."""
    bare.failures, bare.half = [SILENT], half
    with opened(bare) as console:
        assert console.plugins.install(PACKAGE).identifier == IDENTIFIER
    assert (bare.times(INSTALL), bare.times(UNINSTALL)) == (2, int(half))
    assert any("once more" in line for line in said)
    assert len(bare.tasks) == 1


def test_what_half_failed_leaves_nothing_behind(opened: Opened, bare: Dify) -> None:
    """The reason is told, and the next run begins from nothing."""
    bare.failures, bare.half = ["No matching distribution found for gevent"], True
    with opened(bare) as console, pytest.raises(FreeholdError, match=r"No matching.*\[dify_console_plugin_failed\]"):
        console.plugins.install(PACKAGE)
    assert (bare.plugins, bare.tasks, bare.times(INSTALL)) == ([], {}, 1)


def test_attempts_have_an_end(opened: Opened, bare: Dify) -> None:
    """Twice, and the last reason is told."""
    bare.failures = [SILENT, SILENT, SILENT]
    with (
        opened(bare) as console,
        pytest.raises(FreeholdError, match=r"120 seconds \[dify_console_plugin_failed\]") as slow,
    ):
        console.plugins.install(PACKAGE)
    assert bare.times(INSTALL) == 2
    assert "PYTHON_ENV_INIT_TIMEOUT" in slow.value.fix


def test_what_half_failed_stays_where_models_would_go_with_it(opened: Opened, bare: Dify) -> None:
    """Their credentials are worth more than a clean list."""
    bare.failures, bare.half = ["no space left on device"], True
    bare.models.append(Model("kept", "llm"))
    with opened(bare) as console, pytest.raises(FreeholdError, match=r"\[dify_console_plugin_failed\]"):
        console.plugins.install(PACKAGE)
    assert (len(bare.models), bare.times(UNINSTALL)) == (1, 0)


def test_a_gateway_that_restarts_is_waited_out(opened: Opened, bare: Dify) -> None:
    """The daemon works on meanwhile."""
    bare.pending = 2

    def say(line: str) -> None:
        if "running" in line:
            bare.outages = 2

    with opened(bare, say=say) as console:
        assert console.plugins.install(PACKAGE).identifier == IDENTIFIER


@pytest.mark.parametrize("limit", ["proxy_limit", "largest_package"])
def test_a_package_that_is_too_large_names_both_limits(opened: Opened, bare: Dify, limit: str) -> None:
    """The proxy's and Dify's own."""
    setattr(bare, limit, 500)
    with opened(bare) as console, pytest.raises(FreeholdError, match=r"\[dify_console_plugin_large\]") as large:
        console.plugins.install(PACKAGE)
    assert "PLUGIN_MAX_PACKAGE_SIZE" in large.value.fix
    assert "NGINX_CLIENT_MAX_BODY_SIZE" in large.value.fix


@pytest.mark.parametrize("at", ["upload", "task"])
def test_a_signature_that_is_not_accepted_names_the_key_to_give(opened: Opened, bare: Dify, at: str) -> None:
    """Verification stays on."""
    bare.trusts_package = at != "upload"
    bare.failures = [BAD_SIGNATURE]
    with opened(bare) as console, pytest.raises(FreeholdError, match=r"\[dify_console_plugin_signature\]") as refused:
        console.plugins.install(PACKAGE)
    assert "THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS" in refused.value.fix


def test_a_task_that_succeeds_without_a_plugin_is_no_success(opened: Opened, bare: Dify) -> None:
    """The list decides."""
    tasks = "GET /console/api/workspaces/current/plugin/tasks/{task}"
    bare.broken[tasks] = (200, {"task": {"id": "1", "status": "success"}})
    with (
        opened(bare) as console,
        pytest.raises(FreeholdError, match=r"does not have it \[dify_console_plugin_failed\]"),
    ):
        console.plugins.install(PACKAGE)


def test_one_that_does_not_run_is_installed_anew(opened: Opened, dify: Dify) -> None:
    """Taken out first, since nothing hangs on it."""
    with opened(dify) as console:
        there = console.plugins.installed()
        assert there is not None
        again = console.plugins.reinstall(there, PACKAGE)
        assert again.installation != there.installation


def test_one_that_has_models_is_kept(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """Dify would delete their credentials with it."""
    with opened(dify) as console:
        values = {"endpoint_url": models.url, "api_key": KEY, "context_size": "4096"}
        console.models.put("chat", "llm", values, "freehold")
        there = console.plugins.installed()
        assert there is not None
        with pytest.raises(FreeholdError, match=r"chat.*\[dify_console_plugin_kept\]"):
            console.plugins.reinstall(there, PACKAGE)
    assert dify.times(UNINSTALL) == 0
