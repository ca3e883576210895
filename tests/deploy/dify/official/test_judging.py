"""What is found in installations: as they come, as they should be, and with one thing wrong."""

from pathlib import Path

import pytest

from freehold.deploy.dify.official.judging import Asked, judge
from freehold.deploy.dify.official.override import Asked as Wanted
from freehold.deploy.dify.official.override import patch
from freehold.deploy.dify.official.patching import lay
from freehold.deploy.dify.official.reading import read
from freehold.deploy.topology.release import release_of

from .installations import NEWER, OLDER, QUIET, SECRETS, install

FORBIDDEN = frozenset(release_of("1.15.0").forbidden)


def found(folder: Path, **asked: object) -> dict[str, tuple[str, str]]:
    """By check, its status and what was found."""
    report = judge(read(folder), Asked(FORBIDDEN, **asked))  # type: ignore[arg-type]  # what the fields of Asked are
    return {check.id: (check.status, check.found.en) for check in report.checks}


@pytest.mark.parametrize("compose", [NEWER, OLDER], ids=["1.15", "1.14"])
def test_an_installation_as_it_comes(compose: str, tmp_path: Path) -> None:
    """Public secrets and the published port fail; the rest warns. No value is printed."""
    checks = found(install(tmp_path, compose))
    failing = {name for name, (status, _) in checks.items() if status == "fail"}
    assert failing == {"public-secrets", "debug-port"}
    assert "api.DB_PASSWORD" in checks["public-secrets"][1]
    assert "api.CELERY_BROKER_URL" in checks["public-secrets"][1]
    assert {name for name, (status, _) in checks.items() if status == "warn"} == {
        "init-password",
        "browser-addresses",
        "nginx-502",
        "telemetry",
        "floating-images",
    }
    assert not [value for value in FORBIDDEN if any(value in told for _, told in checks.values())]


@pytest.mark.parametrize("compose", [NEWER, OLDER], ids=["1.15", "1.14"])
def test_one_with_secrets_of_its_own_that_is_closed_and_patched(compose: str, tmp_path: Path) -> None:
    """Nothing fails and only the unpinned nginx is left to warn of."""
    official = read(install(tmp_path, compose, **SECRETS, **QUIET))
    lay(official, patch(official, Wanted(bundle="PEM\n", is_cured=True, is_closed=True)))
    checks = found(tmp_path, is_closed=True, has_ca=True, models_url="http://192.0.2.7:8080/v1")
    assert {name: one for name, one in checks.items() if one[0] != "ok"} == {
        "floating-images": ("warn", "nginx:latest")
    }


@pytest.mark.parametrize(
    ("variables", "check", "status"),
    [
        ({"CODE_EXECUTION_API_KEY": "other"}, "sandbox-key", "fail"),
        ({"CELERY_BROKER_URL": "redis://:other@redis:6379/1"}, "broker-password", "fail"),
        ({"CELERY_BROKER_URL": "redis://[broken"}, "broker-password", "fail"),
        ({"INIT_PASSWORD": "x" * 31}, "init-password", "fail"),
        ({"REDIS_HOST": "127.0.0.1"}, "loopback", "fail"),
        ({"PLUGIN_DAEMON_URL": "http://localhost:5002"}, "loopback", "fail"),
        ({"MIGRATION_ENABLED": "false"}, "migration", "warn"),
        ({"MARKETPLACE_ENABLED": "true"}, "marketplace", "fail"),
        ({"CHECK_UPDATE_URL": "https://updates.dify.ai"}, "telemetry", "fail"),
        ({"EXPOSE_PLUGIN_DEBUGGING_PORT": "0.0.0.0:5003"}, "debug-port", "fail"),
        ({"PLUGIN_DAEMON_KEY": "dify-sandbox"}, "public-secrets", "fail"),
        ({"FORCE_VERIFYING_SIGNATURE": "false"}, "plugin-signatures", "warn"),
        ({"INNER_API_KEY_FOR_PLUGIN": "x", "DIFY_INNER_API_URL": "http://127.0.0.1:5001"}, "loopback", "ok"),
    ],
)
def test_one_thing_that_is_wrong(variables: dict[str, str], check: str, status: str, tmp_path: Path) -> None:
    """Each is its own check, in a closed network."""
    assert found(install(tmp_path, **(SECRETS | QUIET | variables)), is_closed=True)[check][0] == status


def test_keys_that_only_one_side_was_given(tmp_path: Path) -> None:
    """A service with a key of its own in the Compose file is found."""
    compose = NEWER.replace('DIFY_INNER_API_KEY: "', 'DIFY_INNER_API_KEY: "x', 1)
    status, told = found(install(tmp_path, compose, **SECRETS))["plugin-keys"]
    assert status == "fail"
    assert "plugin_daemon.DIFY_INNER_API_KEY ≠ api.INNER_API_KEY_FOR_PLUGIN" in told


def test_models_on_loopback_and_a_missing_ca(tmp_path: Path) -> None:
    """Our own address counts too, and a CA only where there is one."""
    folder = install(tmp_path)
    assert "dify.models_url" in found(folder, models_url="http://localhost:8080/v1")["loopback"][1]
    assert found(folder)["own-ca"][0] == "skip"
    assert found(folder, has_ca=True)["own-ca"] == ("fail", "not in api, worker, worker_beat, plugin_daemon, sandbox")


def test_without_difys_nginx_there_is_nothing_to_say_of_it(tmp_path: Path) -> None:
    """A proxy of one's own is not judged."""
    folder = install(tmp_path)
    (folder / "nginx" / "conf.d" / "default.conf.template").unlink()
    assert found(folder)["nginx-502"][0] == "skip"
