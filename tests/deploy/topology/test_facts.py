"""What a configuration comes to for the texts of a release."""

from typing import Any

import pytest

from freehold.deploy.topology.facts import address, facts, features, secret_files
from freehold.deploy.topology.release import release_of
from tests.deploy.topology.configured import OWN, VERSION, config

RELEASE = release_of(VERSION)


def found(deploy: dict[str, Any] | None = None, ca: str | None = None, **dify: Any) -> dict[str, str]:
    said = config(deploy, ca, **dify)
    assert said.dify is not None
    return dict(facts(said, said.dify, lambda name: f"x-{name}", RELEASE))


def test_features_are_what_is_a_container() -> None:
    """And what is not, and which store of vectors."""
    said, own = config(), config({"target": "kubernetes"}, "/ca.pem", **OWN, package_index="http://i/simple")
    assert said.dify is not None
    assert own.dify is not None
    assert features(said, said.dify) == {"compose", "postgres", "redis", "pgvector", "vectors-pgvector", "files"}
    assert features(own, own.dify) == {"kubernetes", "vectors-pgvector", "objects", "index", "own-ca"}


@pytest.mark.parametrize(
    ("deploy", "dify", "wanted"),
    [
        ({}, {}, "http://127.0.0.1"),
        ({}, {"port": 8088, "host": "10.0.0.5"}, "http://10.0.0.5:8088"),
        ({}, {"host": "::1"}, "http://[::1]"),
        ({}, {"tls": {"certificate": "/c", "key": "/k"}}, "https://127.0.0.1"),
        ({}, {"address": "https://dify.corp/"}, "https://dify.corp"),
        ({"target": "kubernetes"}, {"ingress_host": "dify.corp"}, "http://dify.corp"),
        (
            {"target": "kubernetes", "ingress": {"host": "models.corp", "issuer": "corp"}},
            {"ingress_host": "dify.corp"},
            "https://dify.corp",
        ),
    ],
)
def test_the_address_of_browsers(deploy: dict[str, Any], dify: dict[str, Any], wanted: str) -> None:
    """As it is said, else by what publishes it; sockets have the same."""
    said = config(deploy, **dify)
    assert said.dify is not None
    assert address(said, said.dify) == wanted
    assert found(deploy, **dify)["address.socket"] == wanted.replace("http", "ws", 1)


def test_hosts_are_named_by_whoever_renders() -> None:
    """On a cluster they have other names than in Compose."""
    names = found()
    assert names["host.plugin_daemon"] == "x-plugin_daemon"
    assert (names["postgres.host"], names["redis.host"], names["vectors.host"]) == (
        "x-db_postgres",
        "x-redis",
        "x-pgvector",
    )
    assert found(vectors={"kind": "weaviate"})["vectors.grpc"] == "grpc://x-weaviate:50051"
    assert "set $upstream x-api:5001;" in names["nginx.conf"]


def test_what_the_user_has_is_reached_as_the_user_says() -> None:
    """PostgreSQL, Redis, the object store, the vectors."""
    names = found(ca="/ca.pem", **OWN)
    assert (names["postgres.host"], names["postgres.user"], names["postgres.extras"]) == (
        "pg.corp",
        "dify",
        "sslmode=verify-full",
    )
    assert (names["redis.scheme"], names["redis.port"], names["redis.certificates"]) == (
        "rediss",
        "6380",
        "CERT_REQUIRED",
    )
    assert names["ca"] == "/run/secrets/dify-ca"
    assert (names["vectors.host"], names["vectors.port"], names["vectors.database"]) == (
        "vectors.corp",
        "5433",
        "vectors",
    )
    assert (names["storage.bucket"], names["storage.plugin_bucket"], names["storage.style"]) == ("dify", "dify", "path")
    own = found(vectors={"kind": "qdrant", "endpoint": "https://q.corp:6333/", "key": "${env:K}"})
    assert own["vectors.url"] == "https://q.corp:6333"


def test_files_of_the_user_have_names_of_their_own() -> None:
    """Only those that are named."""
    said = config(None, "/ca.pem", plugin_key="/p.pem", tls={"certificate": "/c.pem", "key": "/k.pem"})
    assert said.dify is not None
    files = secret_files(said, said.dify)
    assert {name: file.origin for name, file in files.items()} == {
        "ca": "${file:/ca.pem}",
        "plugin-key": "${file:/p.pem}",
        "tls-certificate": "${file:/c.pem}",
        "tls-key": "${file:/k.pem}",
    }
