"""What must hold of a Dify that is deployed, each rule with the line and column that break it."""

from pathlib import Path

import pytest

from freehold.config import read

OWN_VECTORS = "vectors: {endpoint: 'v.corp:5432', key: '${env:K}'}"


def problems(folder: Path, dify: str, deploy: str = "") -> list[tuple[str, str]]:
    text = f"dify: {{{dify}}}\ndeploy: {{{deploy}}}\n"
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    return [(problem.code, problem.cause) for problem in read(None, {}, folder).problems]


@pytest.mark.parametrize(
    ("dify", "code", "words"),
    [
        ("url: http://d, port: 81", "config_dify_deployed_only", "freehold.yaml:1:23: `dify.port`"),
        ("url: http://d, vectors: {kind: qdrant}", "config_dify_deployed_only", "`dify.vectors`"),
        ("url: http://d, environment: {A: b}", "config_dify_deployed_only", "`dify.environment`"),
        ("version: 1.15.0, ingress_host: d.corp", "config_dify_ingress_compose", "freehold.yaml:1:25:"),
        ("version: 1.15.0, host: dify.corp", "config_dify_host", "dify.corp"),
        ("version: 1.15.0, host: '[::1]'", "config_dify_host", "[::1]"),
        ("version: 1.15.0, port: 8080", "config_dify_port_taken", "`deploy.port`"),
        ("version: 1.15.0, host: 0.0.0.0, port: 8080, address: 'http://d'", "config_dify_port_taken", "8080"),
        ("version: 1.15.0, host: 0.0.0.0", "config_dify_addressless", "0.0.0.0"),
        ("version: 1.15.0, address: 'http://d/dify'", "config_dify_origin", "http://d/dify"),
        ("version: 1.15.0, address: 'http://d?x'", "config_dify_origin", "http://d?x"),
        ("version: 1.15.0, address: 'http://d:port'", "config_dify_origin", "http://d:port"),
        (
            "version: 1.15.0, address: 'http://d', tls: {certificate: /c, key: /k}",
            "config_dify_address_plain",
            "freehold.yaml:1:25:",
        ),
        (
            "version: 1.15.0, postgres: {host: localhost, password: '${env:P}'}",
            "config_dify_own_loopback",
            "`dify.postgres.host`",
        ),
        (
            "version: 1.15.0, postgres: {host: pg, password: '${env:P}', tls: verify-ca}",
            "config_dify_tls_without_ca",
            "`dify.postgres.tls`",
        ),
        ("version: 1.15.0, redis: {host: 'r.corp:6379'}", "config_dify_own_host", "r.corp:6379"),
        ("version: 1.15.0, postgres: {host: 'fd00::6', password: '${env:P}'}", "config_dify_own_host", "fd00::6"),
        ("version: 1.15.0, redis: {host: r, tls: true}", "config_dify_tls_without_ca", "`dify.redis.tls`"),
        ("version: 1.15.0, redis: {host: 127.0.0.1}", "config_dify_own_loopback", "`dify.redis.host`"),
        ("version: 1.15.0, package_index: 'http://localhost/simple'", "config_dify_own_loopback", "localhost"),
        (
            "version: 1.15.0, vectors: {endpoint: 'localhost:5432', key: '${env:K}'}",
            "config_dify_own_loopback",
            "`dify.vectors.endpoint`",
        ),
        ("version: 1.15.0, vectors: {key: '${env:K}'}", "config_dify_vectors_key", "`dify.vectors.key`"),
        ("version: 1.15.0, vectors: {endpoint: 'v.corp:5432'}", "config_dify_vectors_keyless", "pgvector"),
        (
            "version: 1.15.0, vectors: {kind: qdrant, endpoint: 'q.corp:6333', key: '${env:K}'}",
            "config_dify_vectors_endpoint",
            "http(s)://HOST:PORT",
        ),
        (
            "version: 1.15.0, vectors: {endpoint: 'https://v.corp', key: '${env:K}'}",
            "config_dify_vectors_endpoint",
            "HOST:PORT",
        ),
        ("version: 1.15.0, private_hosts: ['10.0.0.1/8']", "config_dify_private_host", "10.0.0.1/8"),
        ("version: 1.15.0, private_hosts: ['a b']", "config_dify_private_host", "a b"),
        ("version: 1.15.0, private_hosts: [crm.corp, '0.0.0.0/0']", "config_dify_private_all", "freehold.yaml:1:51:"),
        ("version: 1.15.0, environment: {SMTP_PASSWORD: hush}", "config_dify_secret_literal", "SMTP_PASSWORD"),
        ('version: 1.15.0, environment: {A: "b\\nc"}', "config_dify_variable_lines", "`A`"),
    ],
)
def test_a_rule_says_where_it_is_broken(tmp_path: Path, dify: str, code: str, words: str) -> None:
    """File, line and column, and the value that was found; a secret is not repeated."""
    found = problems(tmp_path, dify)
    assert [name for name, _ in found] == [code]
    assert words in found[0][1]
    assert "hush" not in found[0][1]


@pytest.mark.parametrize(
    ("dify", "deploy", "code"),
    [
        ("version: 1.15.0", "target: systemd", "config_dify_systemd"),
        ("version: 1.15.0", "target: kubernetes", "config_dify_unreachable"),
        (
            "version: 1.15.0, ingress_host: d.corp, tls: {certificate: /c, key: /k}",
            "target: kubernetes",
            "config_dify_tls_cluster",
        ),
    ],
)
def test_what_belongs_to_another_place_is_refused(tmp_path: Path, dify: str, deploy: str, code: str) -> None:
    """Compose, a cluster and systemd differ."""
    assert [name for name, _ in problems(tmp_path, dify, deploy)] == [code]


@pytest.mark.parametrize(
    ("dify", "deploy"),
    [
        ("version: 1.15.0", ""),
        (
            "version: 1.15.0, host: 0.0.0.0, port: 443, address: 'https://dify.corp', tls: {certificate: /c, key: /k}",
            "",
        ),
        ("version: 1.15.0, host: 10.0.0.5, port: 8080", "host: 127.0.0.1"),
        (
            f"version: 1.15.0, {OWN_VECTORS}, private_hosts: [crm.corp, .erp.corp, 10.1.2.0/24, 'fd00::/8', 10.1.1.1]",
            "",
        ),
        ("version: 1.15.0, environment: {OPENAPI_RATE_LIMIT_PER_TOKEN: '60', SMTP_PASSWORD: '${env:P}'}", ""),
        ("version: 1.15.0, ingress_host: dify.corp", "target: kubernetes"),
    ],
)
def test_what_makes_sense_is_taken(tmp_path: Path, dify: str, deploy: str) -> None:
    """Each by its own key."""
    assert problems(tmp_path, dify, deploy) == []
