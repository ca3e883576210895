"""The release as we deploy it against the one that Dify publishes: each difference has its reason here.

`official-1.15.0.json` is what the official Compose files of that release come to: by service its image, volumes,
networks, published ports, and variables with their values ("common" for those that many have); empty ones are left out.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from freehold.deploy.topology.release import release_of
from freehold.deploy.topology.service import Service
from tests.deploy.topology.configured import VERSION, installed

OFFICIAL: dict[str, Any] = json.loads((Path(__file__).parent / f"official-{VERSION}.json").read_text(encoding="utf-8"))

KINDS = ("weaviate", "qdrant", "pgvector")
LEFT_OUT = {"certbot": "certificates are the user's own: `dify.tls`, or the ingress controller's"}
MORE = {"migration": "migrations are a job, and no copy of api starts before they are done"}
IMAGES = {
    "init_permissions": "`latest` is no fixed tag",
    "nginx": "`latest` is no fixed tag",
    "ssrf_proxy": "`latest` is no fixed tag",
    "db_postgres": "the same minor version each time",
    "redis": "the same minor version each time",
    "pgvector": "the same minor version each time",
}
VOLUMES = {
    "sandbox": "its packages are a file of ours, its own configuration is the image's",
    "ssrf_proxy": "its configuration is rendered, not made by a script when it starts",
    "nginx": "its configuration is rendered, certificates are secrets, there is no certbot",
    "pgvector": "no script that installs pg_bigm",
}
PORTS = {
    "plugin_daemon": "the port for debugging is nobody's",
    "nginx": "nobody is root in it; the renderer publishes it",
}

_OTHER_STORES = (
    "TIDB|TENCENT|LINDORM|UPSTASH|ALIBABACLOUD|RELYT|HUAWEI|BAIDU|ANALYTICDB|VIKINGDB|TABLESTORE|CLICKZETTA|OCEANBASE"
    "|SEEKDB|MILVUS|HOLOGRES|AZURE|ALIYUN|OCI|VOLCENGINE|SUPABASE|GOOGLE|LOGSTORE|PLUGIN_ALIYUN"
)
_WEB = (
    "SERVER_CONSOLE_API_URL NEXT_PUBLIC_(BATCH|ENABLE).* TEXT_GENERATION_TIMEOUT_MS ALLOW_.* TOP_K_MAX_VALUE"
    " LOOP_NODE_MAX_COUNT MAX_(TOOLS|PARALLEL|ITERATIONS|TREE).* ENABLE_WEBSITE_.* ENABLE_AGENT_V2 EXPERIMENTAL_.*"
)
_DAEMON = (
    "DB_PLUGIN_DATABASE PLUGIN_(DAEMON_PORT|PPROF|DEBUGGING|DIFY_INNER_API_URL|STDIO|PYTHON|MAX_EXECUTION|STORAGE"
    "|WORKING|INSTALLED|PACKAGE_CACHE|MEDIA|S3).* FORCE_VERIFYING_SIGNATURE"
)
ABSENT = {
    rf"({_OTHER_STORES})_.*": "of a vector store or an object store that is not offered",
    r"(ENABLE_(CREATE|UPDATE)_TIDB|CREATE_TIDB)_.*": "jobs of Dify's own cloud",
    "|".join(_WEB.split()): "web reads it; there it is",
    "|".join(_DAEMON.split()): "the plugin daemon reads it; there it is, by the name that it has there",
    r"SANDBOX_.*": "the sandbox reads it; there it is, by the name that it has there",
    r"(NGINX|CERTBOT|EXPOSE|COMPOSE)_.*": "for Compose itself and scripts that make configurations of it",
    r"(POSTGRES|PGVECTOR_PG(USER|DATA)|PGVECTOR_POSTGRES)_?.*|PGDATA": "the databases' own, which they have as words",
    r"WEAVIATE_(PERSISTENCE|QUERY|AUTH|DEFAULT|CLUSTER|DISABLE|ENABLE).*": "Weaviate's own, which it has",
    r"SSRF_(HTTP_PORT|COREDUMP_DIR)|COREDUMP_DIR": "in the rendered configuration of the proxy",
    r"API_WEBSOCKET_.*": "api_websocket has it by the name that it reads",
    r"(API_|PLUGIN_)?SENTRY_.*|OT(EL|LP)_.*|CREATORS_PLATFORM_API_URL": "telemetry that is off",
    r"MARKETPLACE_API_URL|OPENAI_API_BASE|NOTION_INTEGRATION_TYPE": "an address outside that nothing asks",
    r"MAIL_TYPE|RESEND_.*|SMTP_.*": "mail with the key of nobody; `dify.environment` sets it up whole",
    r"LOG_FILE_.*": "there is no log file: the container's output is the log",
    r"S3_.*": "only with `dify.storage`",
    r"(CELERY|REDIS)_(USE_)?SENTINEL.*": "a Redis with sentinels is not offered",
    r"QDRANT_GRPC_PORT|PG(VECTOR)?_PG_BIGM.*|PG_BIGM.*": "of a thing that is off",
    r"DIFY_ENV_NACOS_.*": "variables come from no server",
}
CHANGED = {
    r"CHECK_UPDATE_URL|ENABLE_LEARN_APP|MARKETPLACE_ENABLED|CREATORS_PLATFORM_FEATURES_ENABLED": "no telemetry",
    r"ENABLE_CHECK_UPGRADABLE_PLUGIN_TASK|NEXT_TELEMETRY_DISABLED|DISABLE_TELEMETRY": "no telemetry",
    r"ENABLE_WEBSITE_.*": "services of others, outside",
    r"TRIGGER_URL|ENDPOINT_URL_TEMPLATE|NEXT_PUBLIC_SOCKET_URL": "by `dify.address`",
    r"(WEB_API|CONSOLE)_CORS_ALLOW_ORIGINS": "by `dify.address`, not everybody",
    r"MIGRATION_ENABLED": "the job migrates, and nothing else",
    r"(MAX_)?PLUGIN_(MAX_)?PACKAGE_SIZE": "a package with its wheels is larger",
    r"PYTHON_ENV_INIT_TIMEOUT": "on a slow machine two minutes of silence are nothing",
    r"PLUGIN_REMOTE_INSTALLING_HOST": "the port for debugging listens to nobody outside",
    r"LOG_FILE": "there is no log file: the container's output is the log",
    r"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "nobody without the key",
    r"VECTOR_STORE": "pgvector, which backups have",
}
MORE_VARIABLES = {
    r"(CONSOLE_(API|WEB)|SERVICE_API|APP_(API|WEB)|FILES|TRIGGER|INTERNAL_FILES)_URL": "empty there; by `dify.address`",
    r"HOSTED_FETCH_.*|QDRANT__TELEMETRY_DISABLED|NEXT_TELEMETRY_DISABLED": "no telemetry",
    r"MARKETPLACE_ENABLED|SCARF.*|CHECK_UPDATE_URL|ENABLE_(OTEL|CHECK|LEARN).*|CREATORS.*": "no telemetry",
    r"QDRANT__SERVICE__API_KEY": "the name by which Qdrant itself reads its key",
    r"PIP_MIRROR_AUTO_DETECT": "it asks servers outside which of them is near",
    r"HOSTNAME": "else web listens to one address of its container, and not to the one that the probe asks",
    r"SECRET_KEY|INIT_PASSWORD": "empty there: whoever came first would own it",
}


def reason(name: str, table: dict[str, str]) -> str:
    """Why, by the first pattern that fits; "" for none."""
    return next((why for pattern, why in table.items() if re.fullmatch(pattern, name)), "")


@cache
def ours() -> dict[str, Service]:
    """Every service, whatever vector store is chosen."""
    return {service.name: service for kind in KINDS for service in installed(vectors={"kind": kind}).services}


@cache
def variables(name: str) -> dict[str, str]:
    """All that a service has with any vector store, secrets as the texts that ask for them."""
    return {
        key: text
        for kind in KINDS
        for service in installed(vectors={"kind": kind}).services
        if service.name == name
        for key, text in {**service.environment, **service.secrets}.items()
    }


def official_variables(name: str) -> dict[str, str]:
    """What it has there. Web, sandbox and the daemon are given all secrets there and read few: those that we give."""
    service = OFFICIAL["services"][name]
    common = OFFICIAL["common"] if service["common"] else {}
    if name in ("web", "sandbox", "plugin_daemon"):
        common = {key: text for key, text in common.items() if key in variables(name)}
    return {key: text for key, text in {**common, **service["environment"]}.items() if text != ""}


def test_every_service_is_there() -> None:
    """And no other, but for reasons."""
    assert set(OFFICIAL["services"]) - set(ours()) == set(LEFT_OUT)
    assert set(ours()) - set(OFFICIAL["services"]) == set(MORE)


def test_images_are_those_of_the_release() -> None:
    """By fixed tags."""
    for name, service in ours().items():
        if name not in MORE:
            official = OFFICIAL["services"][name]["image"]
            assert (service.image != official) == (name in IMAGES), name
            assert service.image.partition(":")[0] == official.partition(":")[0], name


def test_volumes_are_where_they_were() -> None:
    """By the paths in the containers."""
    for name, service in ours().items():
        if name not in MORE:
            same = [volume.path for volume in service.volumes] == OFFICIAL["services"][name]["volumes"]
            assert same == (name not in VOLUMES), name


def test_networks_are_the_same() -> None:
    """`sandbox` is the internal one; init_permissions reaches nobody."""
    named = {"ssrf_proxy_network": "sandbox"}
    for name, service in ours().items():
        if name not in (*MORE, "init_permissions"):
            official = {named.get(network, network) for network in OFFICIAL["services"][name]["networks"]}
            assert set(service.networks) == official, name


def test_queues_are_those_of_the_image() -> None:
    """The release names none, so its workers serve all that it has; who puts tasks there uses the same broker."""
    brokers = set()
    for name in ("api", "api_websocket", "worker", "worker_beat"):
        found = variables(name)
        assert not [key for key in {**official_variables(name), **found} if key.endswith("_QUEUES")], name
        brokers.add((found["CELERY_BROKER_URL"], found["CELERY_BACKEND"], found["REDIS_HOST"]))
    assert len(brokers) == 1


def test_who_waits_for_whom() -> None:
    """Where the release says so; the databases of api are behind its migration."""
    every = ours()
    assert every["api"].after == ("migration",)
    assert {"db_postgres", "redis", "init_permissions"} <= set(every["migration"].after)
    assert {"db_postgres"} <= set(every["plugin_daemon"].after)
    assert set(every["nginx"].after) == {"api", "web"}


def test_health_is_asked_wherever_the_release_asks() -> None:
    """Of all but worker_beat: its command would ask the workers."""
    for name, service in ours().items():
        if name not in (*MORE, "worker_beat") and OFFICIAL["services"][name]["health"]:
            assert service.probe is not None, name


def test_every_variable_is_there_or_has_a_reason() -> None:
    """What is left out, changed, or more."""
    patterns: set[str] = set()
    for name in ours():
        if name in MORE:
            continue
        official, found = official_variables(name), variables(name)
        for key, text in official.items():
            if key not in found:
                assert reason(key, ABSENT), f"{name}: {key} is missing"
                patterns |= {reason(key, ABSENT)}
            elif found[key] != text and "{" not in found[key].replace("{hook_id}", ""):
                assert reason(key, CHANGED), f"{name}: {key} is {found[key]}, not {text}"
                patterns |= {reason(key, CHANGED)}
        for key in found.keys() - official.keys():
            if found[key] != "":
                assert reason(key, MORE_VARIABLES), f"{name}: {key} is more"
                patterns |= {reason(key, MORE_VARIABLES)}
    stale = {*ABSENT.values(), *CHANGED.values(), *MORE_VARIABLES.values()} - patterns
    assert not stale


def test_what_is_a_public_default_there_is_a_secret_here() -> None:
    """In every service that has it."""
    public = release_of(VERSION).forbidden
    for name in ours():
        if name in MORE:
            continue
        for key, text in official_variables(name).items():
            if any(secret in text for secret in public) and not reason(key, ABSENT):
                assert "{" in variables(name)[key], f"{name}: {key}"
