"""What must hold between the keys of HTTPS, each rule with the line that breaks it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import read

MODELS = "models: [{id: a, source: /a}]\n"
OWN = "certificate: /c.pem, key: /k.pem"
ACME = "http_port: 80, acme: {accept_terms: true, domains: [%s]}"


def tls(text: str) -> str:
    return f"{MODELS}server:\n  port: 8443\n  tls: {{{text}}}\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (tls(""), "config_tls_choice", "freehold.yaml:4: `server.tls` names no certificate"),
        (tls(f"{OWN}, {ACME % 'a.example'}"), "config_tls_choice", "both"),
        (tls("certificate: /c.pem"), "config_tls_half", "`server.tls.certificate` stands alone"),
        (tls("key: /k.pem"), "config_tls_half", "`server.tls.key`"),
        (tls(f"{OWN}, http_port: 8443"), "config_http_port_taken", "8443"),
        (tls("acme: {accept_terms: true, domains: [a.example]}"), "config_acme_port", "`server.tls.acme`"),
        (tls("http_port: 80, acme: {domains: [a.example]}"), "config_acme_terms", "letsencrypt"),
        (tls(ACME % ""), "config_acme_nameless", "`server.tls.acme.domains`"),
        (tls(ACME % "a.example, '*.b.example'"), "config_acme_domain", "a wildcard"),
        (tls(ACME % "10.0.0.7"), "config_acme_domain", "an address"),
        (tls(ACME % "'../x'"), "config_acme_domain", "no DNS name"),
        (tls(ACME % "-a.example"), "config_acme_domain", "no DNS name"),
        (MODELS + "network: {client_certificate: /c.pem}\n", "config_tls_half", "`network.client_certificate`"),
        (MODELS + "network: {client_key: /k.pem}\n", "config_tls_half", "`network.client_key`"),
    ],
)
def test_a_broken_rule_is_told_with_its_place(
    text: str, code: str, words: str, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    """One problem for one mistake."""
    write(text)
    reading = read(None, {}, tmp_path)
    assert reading.config is None
    assert [problem.code for problem in reading.problems] == [code]
    assert words in reading.problems[0].cause
    assert "freehold.yaml:" in reading.problems[0].cause


@pytest.mark.parametrize(
    "text",
    [
        tls(OWN),
        tls(f"{OWN}, http_port: 8080, client_ca: /ca.pem, hsts_s: 0, names: [a.example]"),
        tls(ACME % "models.corp.example, localhost"),
        MODELS + "network: {client_certificate: /c.pem, client_key: /k.pem}\n",
    ],
)
def test_what_holds_is_accepted(text: str, tmp_path: Path, write: Callable[[str], Path]) -> None:
    """A certificate of one's own, ACME, mutual TLS either way."""
    write(text)
    assert read(None, {}, tmp_path).problems == ()
