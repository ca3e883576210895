"""All services of one configuration."""

import re
import time
from dataclasses import replace

import msgspec
import pytest

from freehold import __version__
from freehold.config import Access
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import FILE, Facts, Mount, SecretFile
from freehold.errors import FreeholdError
from tests.deploy.configured import configured, deployed

TWO = """\
models:
  - {id: MiniLM, source: /models/minilm}
  - {id: bge, source: "bge:1"}
deploy: {name: shop}
"""
CLUSTER = "deploy: {target: kubernetes, storage: {claim: models}, pull_from: harbor.corp/models}\n"


def test_each_model_has_a_service_and_the_gateway_is_in_front() -> None:
    """In the order of the models; versions are told apart by eight hex digits."""
    deployment = deployed(TWO)
    assert deployment.name == "shop"
    assert [unit.name for unit in deployment.units] == ["minilm", "bge"]
    assert all(re.fullmatch(rf"{unit.name}-[0-9a-f]{{8}}", unit.host) for unit in deployment.units)
    assert (deployment.gateway.name, deployment.gateway.role) == ("gateway", "gateway")
    assert deployment.gateway.image == f"freehold/freehold:{__version__}"
    assert deployment.gateway.command == ("gateway", FILE)
    assert deployment.gateway.mounts == (Mount("/srv/data/shop/gateway", "/app/data", read_only=False),)


def test_an_upstream_has_no_service() -> None:
    """It is in the gateway's file as it is; its key is a file there."""
    deployment = deployed("models: [{id: far, source: 'https://llm.corp/v1', key: '${env:CORP_KEY}'}]\n")
    assert deployment.units == ()
    assert 'key: "${file:/run/secrets/corp-key}"' in deployment.gateway.files[FILE]
    assert SecretFile("corp-key", "${env:CORP_KEY}") in deployment.gateway.secrets
    assert "CORP_KEY" not in deployment.gateway.files[FILE]


def test_models_of_one_service_share_a_process() -> None:
    """One unit, under the service's name, with all that its models need."""
    (unit,) = deployed(
        "models:\n"
        "  - {id: a, source: /m/a, service: Text, resources: {cpu: 2, memory_mb: 512}}\n"
        "  - {id: b, source: /m/b.onnx, service: Text, resources: {cpu: 1.5, memory_mb: 100}}\n"
    ).units
    assert (unit.name, [model.id for model in unit.models]) == ("text", ["a", "b"])
    assert (unit.cpu, unit.memory_mb) == (3.5, 612)
    assert unit.mounts[1:] == (Mount("/m/a", "/m/a"), Mount("/m", "/m"))


@pytest.mark.parametrize(
    "models",
    [
        "{id: A.1, source: /a}, {id: a-1, source: /b}",
        "{id: gateway, source: /a}",
        "{id: a, source: /a}, {id: b, source: /b, service: a}",
        "{id: b, source: /b, service: a}, {id: a, source: /a}",
    ],
)
def test_two_services_of_one_name_are_refused(models: str) -> None:
    """Also where no section `deploy` makes the rules of the file look."""
    with pytest.raises(FreeholdError) as caught:
        deployed(f"models: [{models}]\n")
    assert caught.value.code == "units_name_twice"


def test_a_model_of_several_versions_is_refused() -> None:
    """A service runs one; of a single one the number is left to whoever names it."""
    with pytest.raises(FreeholdError) as caught:
        deployed("models: [{id: risk, versions: {1: 'risk:1', 2: 'risk:2'}}]\n")
    assert (caught.value.code, caught.value.details["versions"]) == ("units_versions", "1, 2")
    (unit,) = deployed(
        "models: [{id: risk, versions: {7: 'risk:7'}}]\n", {"risk": Facts(digest=f"sha256:{'a' * 64}")}
    ).units
    assert configured(unit.files[FILE]).models[0].source == f"risk@sha256:{'a' * 64}"


def test_the_same_configuration_is_the_same_deployment() -> None:
    """To the byte: files that are kept in version control must not move."""
    first, second = deployed(TWO), deployed(TWO)
    assert first == second
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_only_what_makes_a_service_another_changes_its_revision() -> None:
    """How many copies run and how its requests are bounded at the gateway are no other version; its files are."""
    facts = {"bge": Facts(digest=f"sha256:{'a' * 64}")}
    before = deployed(TWO, facts)
    scaled = deployed(TWO.replace('"bge:1"', '"bge:1", scale: {least: 3}, locality: eu'), facts)
    other = deployed(TWO, {"bge": Facts(digest=f"sha256:{'b' * 64}")})
    assert [unit.host for unit in scaled.units] == [unit.host for unit in before.units]
    assert before.units[0].host == other.units[0].host
    assert before.units[1].host != other.units[1].host


def test_the_gateway_is_another_version_only_by_what_it_reads_at_its_start() -> None:
    """Models, routes, and what keys and teams may use are read again while it runs."""
    before = deployed(TWO).gateway
    routed = deployed(TWO + "routes: [{model: r, to: [{id: bge}]}]\ngateway: {retries: 0}\n").gateway
    limited = deployed(TWO + "access: {limits: {parallel: 4}, teams: {search: {parallel: 9}}}\n").gateway
    observed = deployed(TWO + "observe: {log_level: debug}\n").gateway
    assert len({before.files[FILE], routed.files[FILE], limited.files[FILE]}) == 3
    assert before.revision == routed.revision == limited.revision
    assert before.revision != observed.revision


def test_a_gateway_with_tls_reads_its_files_as_secrets() -> None:
    """A private key has no other place in a container; probes are HTTPS then."""
    gateway = deployed(
        TWO + "server: {tls: {certificate: /etc/ssl/a.pem, key: /etc/ssl/a.key}}\nnetwork: {ca: /etc/ssl/ca.pem}\n"
    ).gateway
    assert gateway.https
    assert [secret.name for secret in gateway.secrets] == ["internal", "access", "a-pem", "a-key", "ca-pem"]
    assert "certificate: /run/secrets/a-pem" in gateway.files[FILE]
    assert "ca: /run/secrets/ca-pem" in gateway.files[FILE]


def test_a_plain_port_sends_clients_to_the_port_that_is_published() -> None:
    """The gateway names the port that it listens on, so within its container that is the same."""
    tls = "server: {tls: {certificate: /etc/ssl/a.pem, key: /etc/ssl/a.key, http_port: 80}}\n"
    two = TWO.replace("deploy: {name: shop}\n", tls)
    gateway = deployed(two + "deploy: {host: 10.0.0.5, port: 443}\n").gateway
    assert (gateway.published, gateway.port, gateway.http_port) == ("10.0.0.5:443", 443, 80)
    assert "  port: 443\n" in gateway.files[FILE]
    there = deployed(two + CLUSTER).gateway
    assert (there.published, there.port, there.http_port) == ("", 8080, 80)
    assert deployed(two.replace(", http_port: 80", "") + "deploy: {port: 443}\n").gateway.port == 8080


def test_grpc_is_the_gateway_s_where_a_port_is_named() -> None:
    """Under that number; services behind it are asked over HTTP alone."""
    named = deployed(TWO + "server: {grpc_port: 8081}\n")
    assert named.gateway.grpc_port == 8081
    assert configured(named.gateway.files[FILE]).server.grpc_port == 8081
    assert [(unit.grpc_port, configured(unit.files[FILE]).server.grpc) for unit in named.units] == [(None, False)] * 2
    assert deployed(TWO).gateway.grpc_port is None
    assert deployed(TWO + "server: {grpc_port: 8081, grpc: false}\n").gateway.grpc_port is None


@pytest.mark.parametrize("target", ["deploy: {}\n", CLUSTER])
def test_the_gateway_has_a_key_that_the_deployment_makes(target: str) -> None:
    """A rollout asks it for metrics and goldens, and copies share it; one that the configuration names goes before."""
    models = "models: [{id: bge, source: 'bge:1'}]\n"
    gateway = deployed(models + target).gateway
    assert SecretFile("access") in gateway.secrets
    assert 'key: "${file:/run/secrets/access}"' in gateway.files[FILE]
    own = deployed(models + target + "access: {key: '${env:KEY}'}\n").gateway
    assert SecretFile("access") not in own.secrets
    assert SecretFile("key", "${env:KEY}") in own.secrets
    opened = deployed(models + target + "access: {auth: none}\n").gateway
    assert SecretFile("access") not in opened.secrets


def test_who_may_call_is_the_gateway_s_to_say() -> None:
    """All of `access` is in its file, with the database as a secret; what runs behind it knows one key and no more."""
    access = (
        "access:\n"
        '  database: "${env:PG}"\n'
        "  trusted_proxies: [10.0.0.0/8]\n"
        "  limits: {requests_per_minute: 600}\n"
        "  teams: {search: {parallel: 4}}\n"
        "  when_unreachable: refuse\n"
        "  audit: {inference: true}\n"
        "  usage: {keep_days: 30}\n"
    )
    deployment = deployed(TWO + access)
    wanted = deployment.config.access
    (inside,) = (configured(deployment.gateway.files[FILE]),)
    assert inside.access == msgspec.structs.replace(
        wanted, key="${file:/run/secrets/access}", database="${file:/run/secrets/pg}"
    )
    assert SecretFile("pg", "${env:PG}") in deployment.gateway.secrets
    for unit in deployment.units:
        assert configured(unit.files[FILE]).access == Access(key="${file:/run/secrets/internal}")
        assert unit.secrets == (SecretFile("internal"),)


def test_a_cluster_s_gateway_has_two_copies_that_keep_nothing() -> None:
    """One node may go without anybody noticing."""
    gateway = deployed("models: [{id: bge, source: 'bge:1'}]\n" + CLUSTER).gateway
    assert (gateway.scale.least, gateway.mounts) == (2, ())


def test_every_image_is_a_located_one() -> None:
    """Below the mirror, by the digest that is known."""
    text = (
        "models:\n"
        "  - {id: a, source: /m/a}\n"
        "  - {id: b, source: /m/b, engine: vllm, gpus: 1}\n"
        "  - {id: c, source: /m/c, image: 'ghcr.io/ggml-org/llama.cpp:server', command: [llama-server, '{port}']}\n"
        "deploy: {registry: harbor.corp/mirror}\n"
    )
    digest = f"sha256:{'0' * 64}"
    names = [unit.image for unit in Deployment.of(configured(text)).units]
    assert names == [
        f"harbor.corp/mirror/freehold/freehold:{__version__}",
        "harbor.corp/mirror/vllm/vllm-openai:v0.31.0",
        "harbor.corp/mirror/ggml-org/llama.cpp:server",
    ]
    pinned = Deployment.of(configured(text), digests=dict.fromkeys(names, digest))
    assert all(unit.image.endswith(f"@{digest}") for unit in (*pinned.units, pinned.gateway))


def test_no_secret_is_anywhere_in_it() -> None:
    """Its JSON names files and variables, and holds nothing of them."""
    config = configured(TWO.replace("/models/minilm", "/models/minilm, engine: vllm, gpus: 1"))
    said = msgspec.json.encode(Deployment.of(msgspec.structs.replace(config, access=Access(key="${env:HOME}"))))
    assert b"${env:HOME}" in said
    assert b"/home/" not in said


def test_a_hundred_models_take_no_time() -> None:
    """It is pure, and looks at nothing: so it can be made again for every plan."""
    models = "\n".join(f"  - {{id: m{number}, source: 'm:{number}'}}" for number in range(100))
    config = configured(f"models:\n{models}\ndeploy: {{}}\n")
    begun = time.process_time()
    deployment = Deployment.of(config)
    assert len({unit.host for unit in deployment.units}) == 100
    assert time.process_time() - begun < 5.0
    assert replace(deployment, name="x").gateway_file() == deployment.gateway.files[FILE]
