"""Which Dify is meant."""

import json
import os
from pathlib import Path

import pytest

from freehold.cli.dify_installations import alone, data_of, official_settings
from freehold.errors import FreeholdError
from tests.deploy.compose.test_docker import programs

SERVICES = {
    "api": {"SECRET_KEY": "hush", "DB_HOST": "db_postgres", "VECTOR_STORE": "weaviate", "STORAGE_TYPE": "opendal"},
    "plugin_daemon": {"DB_HOST": "db_postgres", "DB_DATABASE": "dify_plugin"},
    "db_postgres": {},
}


def engine_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An official installation in `docker`, whose containers an engine of the test's lists."""
    (folder / "docker/envs/a").mkdir(parents=True)
    for name in ("docker-compose.yaml", ".env", "envs/a/one.env"):
        (folder / "docker" / name).write_text("A=1\n")
    inspected = [
        {
            "Id": name,
            "Image": "sha256:aa",
            "State": {"Status": "running"},
            "Config": {
                "Image": "langgenius/dify-api:1.15.0",
                "Env": [f"{key}={value}" for key, value in variables.items()],
                "Labels": {"com.docker.compose.service": name},
            },
        }
        for name, variables in SERVICES.items()
    ]
    (folder / "link").symlink_to("docker")
    told = f"'api plugin_daemon db_postgres' if '--quiet' in sys.argv else {str(folder / 'link')!r}"
    script = f"print({json.dumps(inspected)!r} if sys.argv[1] == 'inspect' else {told})"
    (folder / "bin").mkdir()
    monkeypatch.setenv("PATH", programs(folder / "bin", docker=script, docker_compose="")["PATH"])


def test_a_folder_without_dify_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(FreeholdError) as refused:
        data_of(tmp_path, None, {}, tmp_path)
    assert refused.value.code == "dify_backup_no_installation"


def test_an_installation_is_found_however_its_folder_was_called(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose writes down the link through which it was started."""
    engine_of(folder, monkeypatch)
    assert data_of(folder / "docker", None, os.environ, folder).name == f"Docker Compose ({folder / 'link'})"


def test_only_one_saves_or_restores_an_official_installation(folder: Path) -> None:
    """By whatever name of its folder."""
    (folder / "docker").mkdir()
    (folder / "link").symlink_to("docker")
    with (
        alone(folder / "docker", None, os.environ, folder, "dify backup"),
        pytest.raises(FreeholdError) as busy,
        alone(folder / "link", None, os.environ, folder, "dify restore"),
    ):
        pytest.fail("another one saves it")
    assert (busy.value.code, busy.value.details["what"]) == ("deploy_busy", "dify backup")


def test_nothing_deployed_is_told(tmp_path: Path) -> None:
    """Where no folder is named, and nothing is in force."""
    with pytest.raises(FreeholdError) as refused:
        data_of(None, None, {"FREEHOLD_HOME": str(tmp_path)}, tmp_path)
    assert refused.value.code == "dify_backup_not_deployed"


def test_settings_of_both_shapes_are_found(tmp_path: Path) -> None:
    """`.env` alone up to 1.14, `envs/` beside it since."""
    (tmp_path / ".env").write_text("A=1")
    assert list(official_settings(tmp_path)) == [".env"]
    (tmp_path / "envs/core").mkdir(parents=True)
    (tmp_path / "envs/core/api.env").write_text("B=1")
    (tmp_path / "envs/core/api.env.example").write_text("B=1")
    assert list(official_settings(tmp_path)) == [".env", "envs/core/api.env"]
