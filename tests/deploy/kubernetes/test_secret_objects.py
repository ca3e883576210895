"""Secrets as objects: made once, brought from here, or there already."""

import base64
from pathlib import Path

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.secret_objects import read_secret, secret_values, write_secrets
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE
from tests.deploy.kubernetes.deployments import BGE, configured, deployment
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer

MINE = deployment(BGE)
THEIRS = configured({"models": [{"id": "far", "source": "https://llm.corp.test/v1", "key": "${env:CORP_KEY}"}]})


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def written(api: Api, made: Deployment, **environ: str) -> None:
    """All secrets of a deployment."""
    write_secrets(api, made, secret_values((*made.units, made.gateway), environ))


def test_keys_between_services_are_made_once(api: Api) -> None:
    """Long, and never again: what runs has read them."""
    written(api, MINE)
    first = read_secret(api, "freehold-internal")
    assert first is not None
    assert len(first) == 64
    written(api, MINE)
    assert read_secret(api, "freehold-internal") == first
    assert read_secret(api, "freehold-access") not in (None, first)


def test_a_secret_of_the_configuration_is_brought_from_here(api: Api) -> None:
    """And brought anew where it changed; where it is not set here, what is there stays."""
    written(api, THEIRS, CORP_KEY="one")
    assert read_secret(api, "freehold-corp-key") == "one"
    written(api, THEIRS, CORP_KEY="two")
    assert read_secret(api, "freehold-corp-key") == "two"
    written(api, THEIRS)
    assert read_secret(api, "freehold-corp-key") == "two"


def test_a_secret_that_is_nowhere_is_named(server: ApiServer, api: Api) -> None:
    """With the command that makes it."""
    with pytest.raises(FreeholdError) as caught:
        written(api, THEIRS)
    assert caught.value.code == "cluster_secret_missing"
    assert "${env:CORP_KEY}" in caught.value.cause
    assert "create secret generic freehold-corp-key" in caught.value.fix
    assert read_secret(api, "freehold-corp-key") is None


def test_files_are_taken_as_they_are(server: ApiServer, api: Api, tmp_path: Path) -> None:
    """Certificates have many lines."""
    (tmp_path / "own.pem").write_text("-----BEGIN\nx\n-----END\n")
    tls = {"certificate": f"{tmp_path}/own.pem", "key": f"{tmp_path}/absent.key"}
    made = configured({"models": [BGE], "server": {"tls": tls}})
    values = secret_values((made.gateway,), {})
    assert values[SecretFile("own-pem", f"${{file:{tmp_path}/own.pem}}")] == b"-----BEGIN\nx\n-----END"
    assert values[SecretFile("absent-key", f"${{file:{tmp_path}/absent.key}}")] is None
    (tmp_path / "absent.key").mkdir()
    with pytest.raises(FreeholdError, match="secret_unreadable"):
        secret_values((made.gateway,), {})


def test_a_malformed_secret_is_refused_before_anything_is_written(server: ApiServer) -> None:
    """It would not work as a header."""
    with pytest.raises(FreeholdError, match="secret_malformed"):
        secret_values((THEIRS.gateway,), {"CORP_KEY": "a\x00b"})
    assert server.calls == []


def test_no_secret_is_told(server: ApiServer, api: Api) -> None:
    """It is in the object's data and nowhere else."""
    written(api, THEIRS, CORP_KEY="s3cret")
    for one in server.calls:
        assert b"s3cret" not in one.body
    encoded = base64.b64encode(b"s3cret")
    assert [one.told for one in server.calls if encoded in one.body] == ["patch secrets/freehold-corp-key"]
