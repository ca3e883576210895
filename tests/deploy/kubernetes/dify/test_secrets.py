"""Secrets of a Dify as objects of its namespace."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.kubernetes.dify.naming import SECRETS
from freehold.deploy.kubernetes.dify.objects import dify_of
from freehold.deploy.kubernetes.dify.secrets import read_made, states_of_secrets, write_dify_secrets
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.conftest import NAMESPACE, add_secret
from tests.deploy.kubernetes.dify.cases import CASES, with_dify
from tests.kubernetes_api.kinds import NAMESPACE as NAMESPACES
from tests.kubernetes_api.server import ApiServer
from tests.pki import Authority


@pytest.fixture(autouse=True)
def namespace(server: ApiServer) -> None:
    """The namespace is there."""
    server.add(NAMESPACES, "", NAMESPACE)


def write(api: Api, case: Deployment, environ: Mapping[str, str] | None = None) -> None:
    found = dify_of(case)
    assert found is not None
    write_dify_secrets(api, case, found, environ or {})


def stored(server: ApiServer, name: str) -> dict[str, str]:
    found = server.object("Secret", name, NAMESPACE)
    assert found is not None, name
    return {key: base64.b64decode(text).decode() for key, text in found["data"].items()}


def test_all_are_made_once_and_stay(server: ApiServer, api: Api) -> None:
    """In one object; a second time nothing is written."""
    write(api, CASES["dify"])
    made = stored(server, SECRETS)
    assert read_made(api) == made
    assert len(set(made.values())) == len(made) >= 8
    before = server.writes()
    write(api, CASES["dify"])
    assert (stored(server, SECRETS), server.writes()) == (made, before)


def test_what_a_newer_version_needs_is_added(server: ApiServer, api: Api) -> None:
    """Beside what is there, which is as it was."""
    write(api, CASES["dify"])
    made = stored(server, SECRETS)
    write(api, CASES["dify-qdrant"])
    both = stored(server, SECRETS)
    assert both.items() > made.items()
    assert both.keys() - made.keys() == {"qdrant_key"}


def test_data_without_the_secrets_that_read_it_is_not_started_upon(server: ApiServer, api: Api) -> None:
    """Nothing is made: new ones would lock everybody out."""
    server.add(server.kind("PersistentVolumeClaim"), NAMESPACE, "dify-db")
    with pytest.raises(FreeholdError) as caught:
        write(api, CASES["dify"])
    assert caught.value.code == "dify_secrets_lost"
    assert "dify-db" in caught.value.cause
    assert server.names("Secret", NAMESPACE) == []


def own(folder: Path, password: str) -> Deployment:
    """A Redis of the user's own, by TLS under a CA of the user's own."""
    folder.mkdir(exist_ok=True)
    (folder / "password").write_text(f"{password}\n")
    redis = {"host": "redis.corp.test", "password": f"${{file:{folder / 'password'}}}"}
    return with_dify({"redis": redis}, network={"ca": str(Authority(folder).file)})


def test_the_users_own_are_written_as_services_read_them(server: ApiServer, api: Api, tmp_path: Path) -> None:
    """A password as one line, and percent-encoded beside it; the CA behind the system's."""
    write(api, own(tmp_path, "a/b@c"))
    assert stored(server, "freehold-dify-redis-password") == {"value": "a/b@c"}
    assert stored(server, "freehold-dify-redis-password-url") == {"value": "a%2Fb%40c"}
    authorities = stored(server, "freehold-dify-ca")["value"]
    assert authorities.strip().endswith((tmp_path / "authority.pem").read_text().strip())
    assert authorities.count("BEGIN CERTIFICATE") > 1
    assert "redis_password" not in stored(server, SECRETS)


def test_one_that_is_not_here_must_be_there(server: ApiServer, api: Api) -> None:
    """Made by hand, or by a tool for secrets."""
    case = with_dify({"redis": {"host": "redis.corp.test", "password": "${env:REDIS}"}})
    with pytest.raises(FreeholdError) as caught:
        write(api, case)
    assert caught.value.code == "cluster_secret_missing"
    add_secret(server, NAMESPACE, "freehold-dify-redis-password")
    add_secret(server, NAMESPACE, "freehold-dify-redis-password-url")
    write(api, case)


def test_a_public_default_is_refused(server: ApiServer, api: Api, tmp_path: Path) -> None:
    """Before anything is written, and without its words."""
    with pytest.raises(FreeholdError) as caught:
        write(api, own(tmp_path, "difyai123456"))
    assert caught.value.code == "dify_public_default"
    assert "difyai123456" not in caught.value.cause
    assert server.names("Secret", NAMESPACE) == []


def test_whoever_reads_a_secret_of_the_users_own_is_told_its_state(api: Api, tmp_path: Path) -> None:
    """It changes with the value, and by nothing else."""
    one, two = own(tmp_path, "one"), own(tmp_path / "two", "two")
    (first,) = {state_of(api, one) for _ in range(2)}
    assert state_of(api, two) != first


def state_of(api: Api, case: Deployment) -> str:
    """What the pods of the API read, after all was written; those of the databases read nothing."""
    write(api, case)
    found = dify_of(case)
    assert found is not None
    states = states_of_secrets(api, found)
    assert "dify-db-postgres" not in states
    return states["dify-api"]
