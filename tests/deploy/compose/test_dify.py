"""A Dify in compose.yaml: exact files, what docker-compose 1.29 makes of them, and what no file has in it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from freehold.deploy.compose.dify import (
    ENTRANCE,
    FRONT,
    INSIDE,
    SANDBOX,
    SECRETS_FILE,
    probe_command,
    secret_env_files,
    volume_name,
)
from freehold.deploy.compose.dify_place import write_dify
from freehold.deploy.compose.render import render
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.release import release_of
from freehold.deploy.topology.secrets import made
from freehold.deploy.topology.service import Probe
from freehold.errors import FreeholdError
from tests.deploy.rendered_text import check_rendered
from tests.deploy.topology.configured import OWN, VERSION, config, installed, package_key
from tests.docker import program
from tests.pki import Authority

CASES: dict[str, dict[str, Any]] = {
    "dify": {},
    "dify-own": {
        **OWN,
        "ca": "/etc/corp.pem",
        "tls": {"certificate": "/etc/dify.pem", "key": "/etc/dify.key"},
        "address": "https://dify.corp",
        "host": "0.0.0.0",
        "port": 443,
        "private_hosts": ["crm.corp", "10.1.2.0/24"],
        "package_index": "https://pypi.corp/simple",
        "plugin_key": "/etc/plugins.pem",
        "environment": {"UPLOAD_FILE_SIZE_LIMIT": "50", "ODD": "it's $HOME", "SMTP_PASSWORD": "${env:SMTP}"},
        "deploy": {"name": "corp"},
    },
    "dify-weaviate": {"vectors": {"kind": "weaviate"}},
    "dify-qdrant": {"vectors": {"kind": "qdrant"}},
}
GOLDEN = ("dify", "dify-own")
ENVIRON = {"PG": "pg-secret", "REDIS": "r/s@c", "S3_ID": "id", "VECTORS": "v", "SMTP": "smtp-secret"}


def rendered(case: str) -> dict[str, str]:
    return dict(render(Deployment.of(config(**CASES[case]))))


def services(case: str) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(rendered(case)["compose.yaml"])["services"]
    return {name: service for name, service in tree.items() if name != "gateway"}


@pytest.mark.parametrize("case", GOLDEN)
def test_a_dify_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, and the same again."""
    files = rendered(case)
    assert files == rendered(case)
    check_rendered(f"compose/{case}", files)


@pytest.mark.parametrize("case", CASES)
def test_compose_1_29_takes_it_without_a_word(case: str, tmp_path: Path) -> None:
    """With its secrets made; it reads in their files what was written, odd values too."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    (tmp_path / "s3").write_text("s3-secret")
    more = {**CASES[case]}
    if case == "dify-own":
        more |= {"ca": str(authority.file), "plugin_key": str(package_key(tmp_path))}
        more["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key)}
        more["storage"] = {**OWN["storage"], "secret_key": f"${{file:{tmp_path / 's3'}}}"}
    folder, said = tmp_path / "out", config(**more)
    for name, text in render(Deployment.of(said)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    found = installed(**more)
    write_dify(folder, found, ENVIRON)
    command = [program("docker-compose"), "--project-directory", folder, "-f", folder / "compose.yaml", "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    read = yaml.safe_load(done.stdout)["services"]
    assert {service.name for service in found.services} == read.keys() - {"gateway"}
    for service in found.services:
        for name, text in service.environment.items():
            assert read[service.name]["environment"][name] == text.replace("$", "$$")  # it writes dollars twice
        assert read[service.name]["image"] == service.image
        kept = [one for one in read[service.name].get("volumes", ()) if one["type"] == "volume"]
        assert {one["target"] for one in kept} == {volume.path for volume in service.volumes}
        networks = {{"default": INSIDE, "sandbox": SANDBOX}[network] for network in service.networks}
        assert networks == read[service.name].get("networks", {}).keys() - {FRONT}
    if case == "dify-own":
        api = read["api"]["environment"]
        assert (api["DB_PASSWORD"], api["SMTP_PASSWORD"], api["S3_SECRET_KEY"]) == (
            "pg-secret",
            "smtp-secret",
            "s3-secret",
        )
        assert api["CELERY_BROKER_URL"] == "rediss://app:r%2Fs%40c@redis.corp:6380/1"


@pytest.mark.parametrize("case", CASES)
def test_no_secret_and_no_public_default_is_in_what_is_rendered(case: str) -> None:
    """Not as a value, and not in the middle of one; the name of the sandbox's image is no secret."""
    text = "\n".join(rendered(case).values()).replace("langgenius/dify-sandbox:", "").replace("- dify-sandbox\n", "")
    text = text.replace("dify-sandbox:\n", "")  # the network
    for secret in release_of(VERSION).forbidden:
        assert secret not in text
    assert not re.search(r"(PASSWORD|SECRET_KEY|API_KEY)='[^']", text)


@pytest.mark.parametrize("case", CASES)
def test_walls_stand_around_every_service(case: str) -> None:
    """Nothing more than it needs, a log that ends, health that is asked, and only the entrance published."""
    for name, service in services(case).items():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
        assert ("ports" in service) == (name == ENTRANCE)
        assert "privileged" not in service
        assert ("healthcheck" in service) == (name not in ("init_permissions", "migration", "worker_beat"))
        assert service["restart"] == ("no" if name in ("init_permissions", "migration") else "unless-stopped")
        assert not service["image"].endswith(":latest")


def test_networks_are_walls_too() -> None:
    """Outside is reached by one network only; databases and the sandbox are not on it."""
    tree = yaml.safe_load(rendered("dify")["compose.yaml"])
    assert tree["networks"] == {
        "units": {"internal": True},
        "front": {},
        "dify": {"internal": True},
        "dify-sandbox": {"internal": True},
    }
    on_front = {name for name, service in tree["services"].items() if "front" in service.get("networks", ())}
    assert on_front == {
        "gateway",
        "migration",
        "plugin_daemon",
        "api",
        "api_websocket",
        "worker",
        "ssrf_proxy",
        "nginx",
    }
    assert tree["services"]["sandbox"]["networks"] == ["dify-sandbox"]
    assert tree["services"]["nginx"]["ports"] == ["127.0.0.1:80:8080"]


def test_volumes_are_named_after_the_deployment() -> None:
    """Whatever folder Compose is started in, and whatever it calls its project."""
    tree = yaml.safe_load(rendered("dify")["compose.yaml"])
    assert {volume["name"] for volume in tree["volumes"].values()} == {
        volume_name("freehold", name) for name in ("app-storage", "db", "redis", "pgvector", "plugin-daemon")
    }
    assert volume_name("corp", "db") == "corp-dify-db"


def test_migrations_come_before_what_needs_them() -> None:
    """A job that must have ended well."""
    found = services("dify")
    assert found["api"]["depends_on"] == {"migration": {"condition": "service_completed_successfully"}}
    assert found["migration"]["depends_on"]["db_postgres"] == {"condition": "service_healthy"}


def test_a_secret_that_the_two_programs_read_differently_is_refused() -> None:
    """Quotes, backslashes, and what looks like a variable."""
    found = installed(postgres={"host": "pg.corp", "password": "${env:PG}"})
    for odd in ("it's", "a\\b", "a${B}", "a\nb"):
        with pytest.raises(FreeholdError, match="DB_PASSWORD") as refused:
            secret_env_files(found, {**made(found), "db_password": odd})
        assert refused.value.code == "dify_secret_unfit"
        assert odd not in refused.value.cause
    assert SECRETS_FILE not in secret_env_files(found, {**made(found), "db_password": "a$b #c"})


def test_a_service_is_asked_by_what_its_image_has() -> None:
    """Its own command, HTTP, or whether the port is open."""
    assert probe_command(Probe(command=("pg_isready",))) == ("CMD", "pg_isready")
    kind, script = probe_command(Probe(port=1, path="/p"))
    assert kind == "CMD-SHELL"
    assert "http://127.0.0.1:1/p" in script
    assert "nc -z 127.0.0.1 1" in probe_command(Probe(port=1))[1]
