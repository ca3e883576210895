"""Secrets of a configuration as files."""

from freehold.config.written import written
from freehold.deploy.services.secret_files import path, reference, with_files
from freehold.deploy.services.units import SecretFile
from tests.deploy.configured import configured

EVERYWHERE = """\
models:
  - {id: a, source: "https://a/v1", key: "${env:CORP_KEY}"}
  - {id: b, source: "https://b/v1", key: "${env:CORP_KEY}"}
  - {id: c, source: "https://c/v1", key: "${file:/etc/keys/c.key}"}
  - {id: d, source: "d:1", require: {signed: true, keys: [/etc/keys/ops.pem]}}
server:
  tls:
    names: [llm.corp]
    certificate: /etc/ssl/llm.pem
    key: /etc/ssl/llm.key
    client_ca: /etc/ssl/clients.pem
access: {key: "${env:FIRST}", database: "${env:FREEHOLD_DATABASE}"}
network:
  ca: /etc/ssl/corp.pem
  client_certificate: /etc/ssl/me.pem
  client_key: /etc/ssl/me.key
  proxy: "${env:HTTPS_PROXY}"
"""


def test_every_secret_and_every_pem_file_is_one_file() -> None:
    """However often it is named; nothing of where it came from stays in the text."""
    config, files = with_files(configured(EVERYWHERE))
    assert {file.name: file.origin for file in files} == {
        "corp-key": "${env:CORP_KEY}",
        "c-key": "${file:/etc/keys/c.key}",
        "ops-pem": "${file:/etc/keys/ops.pem}",
        "llm-pem": "${file:/etc/ssl/llm.pem}",
        "llm-key": "${file:/etc/ssl/llm.key}",
        "clients-pem": "${file:/etc/ssl/clients.pem}",
        "first": "${env:FIRST}",
        "freehold-database": "${env:FREEHOLD_DATABASE}",
        "corp-pem": "${file:/etc/ssl/corp.pem}",
        "me-pem": "${file:/etc/ssl/me.pem}",
        "me-key": "${file:/etc/ssl/me.key}",
        "https-proxy": "${env:HTTPS_PROXY}",
    }
    text = written(config)
    assert "${env:" not in text
    assert "/etc/" not in text
    assert all(f"/run/secrets/{file.name}" in text for file in files)


def test_names_that_would_be_the_same_are_told_apart() -> None:
    """Also from those that the deployment makes; which is which does not depend on the order."""
    text = "models: [{id: a, source: 'https://a/v1', key: '%s'}, {id: b, source: 'https://b/v1', key: '%s'}]\n"
    origins = ("${env:API_KEY}", "${file:/keys/api-key}")
    first = with_files(configured(text % origins))[1]
    second = with_files(configured(text % origins[::-1]))[1]
    assert len({file.name for file in first}) == 2
    assert all(file.name.startswith("api-key-") for file in first)
    assert set(first) == set(second)
    (internal,) = with_files(configured("models: []\naccess: {key: '${env:INTERNAL}'}\n"))[1]
    assert internal.name.startswith("internal-")


def test_a_configuration_without_secrets_has_no_files() -> None:
    """A proxy that is written out is an address; what the deployment makes is in its place already."""
    config = configured(
        "models: [{id: a, source: /a}]\naccess: {key: '${file:/run/secrets/internal}'}\nnetwork: {proxy: 'http://p:1'}\n"
    )
    assert with_files(config) == (config, ())


def test_a_secret_is_read_below_run_secrets() -> None:
    """Where Compose and Kubernetes put it."""
    assert path(SecretFile("a")) == "/run/secrets/a"
    assert reference(SecretFile("a")) == "${file:/run/secrets/a}"
