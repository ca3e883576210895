"""From a configuration to the services of its Dify."""

from typing import Any

import pytest

from freehold.config import Config, Deploy
from freehold.deploy.services.images import located
from freehold.deploy.topology.installation import CONSOLE_PASSWORD, installation
from freehold.deploy.topology.release import release_of
from freehold.errors import FreeholdError
from tests.deploy.topology.configured import OWN, VERSION, config, installed

APPLICATION = ("migration", "api", "api_websocket", "worker", "worker_beat")


def test_without_a_version_nothing_is_deployed() -> None:
    """A Dify that exists is left alone."""
    assert installation(Config()) is None


def test_the_services_start_in_an_order_in_which_they_can() -> None:
    """Each after those that it waits for; migrations before all that reads the databases."""
    names = [service.name for service in installed().services]
    for service in installed().services:
        assert all(names.index(one) < names.index(service.name) for one in service.after)
    assert names.index("migration") < names.index("api")
    assert [service.name for service in installed().services if service.kind == "job"] == [
        "init_permissions",
        "migration",
    ]


def test_what_may_be_there_once_is_there_once() -> None:
    """Two clocks would start everything twice, two daemons would share a folder."""
    found = installed()
    assert [service.name for service in found.services].count("worker_beat") == 1
    for name in ("worker_beat", "plugin_daemon", "db_postgres", "redis"):
        assert found.service(name).scale == "one"
    users = [service.name for service in found.services if "plugin-daemon" in [one.name for one in service.volumes]]
    assert users == ["plugin_daemon"]


def test_only_the_job_migrates() -> None:
    """A copy that starts has nothing to do but to serve."""
    found = installed()
    assert [name for name in APPLICATION if found.service(name).environment["MIGRATION_ENABLED"] == "true"] == [
        "migration"
    ]
    assert found.service("migration").environment["MODE"] == "migration"


def test_code_reaches_the_proxy_alone() -> None:
    """And the proxy reaches the outside; nothing publishes the port for debugging."""
    found = installed()
    assert found.service("sandbox").networks == ("sandbox",)
    assert found.service("sandbox").reaches == ("ssrf_proxy",)
    assert "outside" in found.service("ssrf_proxy").reaches
    for service in found.services:
        assert 5003 not in (service.port, *service.more_ports)
        assert ("gateway" in service.reaches) == (service.name == "plugin_daemon")


def test_own_services_take_the_place_of_containers() -> None:
    """Their secrets are the user's, and what reached a container reaches outside."""
    found = installed(ca="/ca.pem", **OWN)
    names = {service.name for service in found.services}
    assert not names & {"db_postgres", "redis", "pgvector", "weaviate", "qdrant", "init_permissions"}
    assert set(found.given) == {"db_password", "redis_password", "s3_access_key", "s3_secret_key", "pgvector_password"}
    assert found.given["s3_secret_key"].origin == "${file:/etc/s3}"
    assert not set(found.given) & set(found.secrets)
    api, beat = found.service("api"), found.service("worker_beat")
    assert api.environment["STORAGE_TYPE"] == "s3"
    assert api.volumes == ()
    assert api.secrets["CELERY_BROKER_URL"] == "rediss://app:{redis_password:url}@redis.corp:6380/1"
    assert beat.reaches == ("outside",)
    daemon = found.service("plugin_daemon").environment
    assert (daemon["PLUGIN_STORAGE_TYPE"], daemon["DB_SSL_MODE"]) == ("aws_s3", "verify-full")


def test_a_redis_without_a_password_is_asked_without_one() -> None:
    """No secret is made for it, and none is left in an address."""
    found = installed(redis={"host": "redis.corp"})
    assert "redis_password" not in (*found.secrets, *found.given)
    api = found.service("api")
    assert api.environment["CELERY_BROKER_URL"] == "redis://:@redis.corp:6379/1"
    assert api.environment["REDIS_PASSWORD"] == ""
    assert "REDIS_PASSWORD" not in api.secrets


@pytest.mark.parametrize(
    ("kind", "key"), [("pgvector", "pgvector_password"), ("weaviate", "weaviate_key"), ("qdrant", "qdrant_key")]
)
def test_one_store_of_vectors_is_there(kind: str, key: str) -> None:
    """With its key, on both sides."""
    found = installed(vectors={"kind": kind})
    there = {service.name for service in found.services} & {"pgvector", "weaviate", "qdrant"}
    assert there == {kind}
    assert found.service("api").environment["VECTOR_STORE"] == kind
    holders = [
        service.name for service in found.services if any(f"{{{key}}}" in text for text in service.secrets.values())
    ]
    assert holders == [kind, *APPLICATION]


def test_secrets_agree_wherever_they_must() -> None:
    """The same name stands on both sides."""
    found = installed()
    api, daemon = found.service("api").secrets, found.service("plugin_daemon").secrets
    assert api["CODE_EXECUTION_API_KEY"] == found.service("sandbox").secrets["API_KEY"]
    assert api["PLUGIN_DAEMON_KEY"] == daemon["SERVER_KEY"]
    assert api["INNER_API_KEY_FOR_PLUGIN"] == daemon["DIFY_INNER_API_KEY"] == api["PLUGIN_DIFY_INNER_API_KEY"]
    assert api["DB_PASSWORD"] == found.service("db_postgres").secrets["POSTGRES_PASSWORD"] == daemon["DB_PASSWORD"]
    assert api["REDIS_PASSWORD"] == found.service("redis").secrets["REDISCLI_AUTH"]
    assert "{redis_password:url}" in api["CELERY_BROKER_URL"]
    assert CONSOLE_PASSWORD in found.secrets
    assert "SECRET_KEY" not in daemon


def test_a_ca_of_ones_own_is_where_calls_begin() -> None:
    """In what calls models, tools and stores, by every name that their libraries read."""
    found = installed(ca="/etc/corp.pem")
    for name in ("plugin_daemon", "api", "worker", "worker_beat", "sandbox"):
        service = found.service(name)
        (path,) = service.secret_files
        assert service.secret_files[path].origin == "${file:/etc/corp.pem}"
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            assert service.environment[variable] == path
    assert "SSL_CERT_FILE" not in installed().service("api").environment


def test_plugins_come_from_where_one_says() -> None:
    """An index of one's own, a key of one's own; verification stays on."""
    daemon = (
        installed(package_index="https://pypi.corp/simple", plugin_key="/p.pem").service("plugin_daemon").environment
    )
    assert daemon["PIP_MIRROR_URL"] == "https://pypi.corp/simple"
    assert daemon["PLUGIN_IGNORE_UV_LOCK"] == daemon["FORCE_VERIFYING_SIGNATURE"] == "true"
    assert daemon["THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS"] == "/run/secrets/dify-plugin-key"
    plain = installed().service("plugin_daemon").environment
    assert not {"PIP_MIRROR_URL", "THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED"} & plain.keys()
    assert (plain["FORCE_VERIFYING_SIGNATURE"], plain["PIP_MIRROR_AUTO_DETECT"]) == ("true", "false")


def test_the_users_variables_go_before_ours() -> None:
    """By the names of Dify's own .env; secrets only to what needs them, and none to where strange code runs."""
    found = installed(
        environment={
            "UPLOAD_FILE_SIZE_LIMIT": "50",
            "PLUGIN_PYTHON_ENV_INIT_TIMEOUT": "3600",
            "POSTGRES_MAX_CONNECTIONS": "300",
            "SANDBOX_WORKER_TIMEOUT": "60",
            "SMTP_PASSWORD": "${env:SMTP}",
        }
    )
    assert found.service("api").environment["UPLOAD_FILE_SIZE_LIMIT"] == "50"
    assert found.service("plugin_daemon").environment["PYTHON_ENV_INIT_TIMEOUT"] == "3600"
    assert "max_connections=300" in found.service("db_postgres").command
    assert found.service("sandbox").environment["WORKER_TIMEOUT"] == "60"
    assert found.given["SMTP_PASSWORD"].origin == "${env:SMTP}"
    assert {one.name for one in found.services if "SMTP_PASSWORD" in one.secrets} == set(APPLICATION)
    assert "UPLOAD_FILE_SIZE_LIMIT" not in found.service("sandbox").environment


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"SECRET_KEY": "${env:KEY}"}, "dify_variable_fixed"),
        ({"DB_HOST": "elsewhere"}, "dify_variable_fixed"),
        ({"MODE": "api"}, "dify_variable_fixed"),
        ({"SOMETHING": "difyai123456"}, "dify_public_default"),
        ({"SOME_URL": "redis://:difyai123456@there:6379/2"}, "dify_public_default"),
    ],
)
def test_a_variable_that_would_break_the_others_is_refused(environment: dict[str, str], code: str) -> None:
    """With its name."""
    with pytest.raises(FreeholdError) as refused:
        installed(environment=environment)
    assert refused.value.code == code
    assert next(iter(environment)) in refused.value.cause


@pytest.mark.parametrize("more", [{}, OWN, {"vectors": {"kind": "weaviate"}}, {"vectors": {"kind": "qdrant"}}])
def test_no_public_secret_is_anywhere(more: dict[str, Any]) -> None:
    """In no text of any service, its image's name aside."""
    public = release_of(VERSION).forbidden
    for service in installed(**more).services:
        texts = [*service.environment.values(), *service.secrets.values(), *service.files.values(), *service.command]
        assert not [secret for secret in public for text in texts if secret in text], service.name


def test_nothing_tells_anybody_outside() -> None:
    """What each service would read of it is off, whatever else is chosen."""
    found = installed(vectors={"kind": "weaviate"})
    telemetry = release_of(VERSION).groups["telemetry"].environment
    for name in (*APPLICATION, "web"):
        assert telemetry.items() <= found.service(name).environment.items(), name
    assert found.service("weaviate").environment["DISABLE_TELEMETRY"] == "true"
    assert installed(vectors={"kind": "qdrant"}).service("qdrant").environment["QDRANT__TELEMETRY_DISABLED"] == "true"
    daemon = found.service("plugin_daemon").environment
    assert (daemon["SENTRY_ENABLED"], daemon["PPROF_ENABLED"]) == ("false", "false")


def test_images_come_from_the_registry_by_digest() -> None:
    """Like all images of a deployment."""
    image, digest = "hub.corp:5000/langgenius/dify-web:1.15.0", f"sha256:{'a' * 64}"
    found = installation(config({"registry": "hub.corp:5000"}), {image: digest})
    assert found is not None
    assert found.service("web").image == located(image, Deploy(), {image: digest})
    assert found.service("web").image.endswith(digest)
    assert found.service("nginx").image.startswith("hub.corp:5000/library/nginx:")


def test_the_same_configuration_gives_the_same() -> None:
    """Pure; and on a cluster there is no Nginx, and no job that changes owners."""
    assert installed(**OWN) == installed(**OWN)
    names = {service.name for service in installed({"target": "kubernetes"}, ingress_host="d.corp").services}
    assert not names & {"nginx", "init_permissions"}
