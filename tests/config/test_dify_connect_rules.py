"""What must hold of the Dify that models are connected to, each rule with the line and column that break it."""

from pathlib import Path

import pytest

from freehold.config import read
from freehold.config.dify_connect_rules import models_url_fault

MODELS = "models: [{id: a, source: /a}]\n"


def problems(folder: Path, text: str) -> list[tuple[str, str]]:
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    return [(problem.code, problem.cause) for problem in read(None, {}, folder).problems]


@pytest.mark.parametrize(
    ("dify", "code", "words"),
    [
        ("url: http://d, models_url: 'http://127.0.0.1:8080/v1'", "config_dify_loopback", "freehold.yaml:2:23:"),
        ("url: http://d, models_url: 'http://localhost:8080/v1'", "config_dify_loopback", "localhost"),
        ("url: http://d, models_url: 'http://[::1]:8080'", "config_dify_loopback", "[::1]"),
        ("url: http://d, models_url: 'http://0.0.0.0:8080/v1'", "config_dify_loopback", "0.0.0.0"),
        ("version: 1.15.0, models_url: 'http://127.9.9.9/v1'", "config_dify_loopback", "127.9.9.9"),
        ("url: http://d, models_url: 'http://m/v1?key=1'", "config_dify_query", "freehold.yaml:2:23:"),
        ("url: http://d, models_url: 'http://m/v1#x'", "config_dify_query", "http://m/v1#x"),
        ("url: http://d, models_url: 'http://m:80a/v1'", "config_dify_address", "80a"),
        ("url: http://d, models_url: m:8080/v1", "config_value_invalid", "freehold.yaml:2"),
        ("url: 'http://d:port'", "config_dify_address", "freehold.yaml:2:8:"),
        ("url: 'http://d/apps'", "config_dify_page", "freehold.yaml:2:8:"),
        ("url: 'http://d/console/api'", "config_dify_page", "http://d/console/api"),
        ("url: 'http://d?x'", "config_dify_page", "http://d?x"),
        ("url: http://d, admin_key: '${env:K}'", "config_dify_workspace", "freehold.yaml:2:23:"),
        ("url: http://d, email: a@b.c", "config_dify_half", "freehold.yaml:2:23: `dify.email`"),
        ("url: http://d, password: '${env:P}'", "config_dify_half", "`dify.email`, which is missing"),
        (
            "url: http://d, admin_key: '${env:K}', workspace: w, email: a@b.c, password: '${env:P}'",
            "config_dify_two_accounts",
            "freehold.yaml:2:23:",
        ),
        ("version: 1.15.0, email: a@b.c", "config_dify_account_deployed", "freehold.yaml:2:25: `dify.email`"),
        ("url: http://d, default_models: {llm: b}", "config_dify_default", "freehold.yaml:2:40:"),
    ],
)
def test_a_rule_says_where_it_is_broken(tmp_path: Path, dify: str, code: str, words: str) -> None:
    """File, line and column, and the value that was found."""
    found = problems(tmp_path, f"{MODELS}dify: {{{dify}}}\n")
    assert [name for name, _ in found] == [code]
    assert words in found[0][1]


@pytest.mark.parametrize(
    "dify",
    [
        "url: http://localhost, models_url: 'http://172.17.0.1:8080/v1'",
        "url: 'https://d/', email: a@b.c, password: '${env:P}', default_models: {llm: chat}",
        "url: http://d, admin_key: '${env:K}', workspace: w, models_key: '${file:/k}'",
        "version: 1.15.0",
    ],
)
def test_what_is_whole_passes(tmp_path: Path, dify: str) -> None:
    """A console on loopback is this machine's own and fine; routes are names that Dify can have as defaults."""
    routes = "routes: [{model: chat, to: [{id: a}]}]\n"
    assert problems(tmp_path, f"{MODELS}{routes}dify: {{{dify}}}\n") == []


def test_the_fix_of_a_loopback_address_keeps_its_scheme_and_port() -> None:
    """It can be copied as it is."""
    fault = models_url_fault("https://localhost:8443/v1", "here")
    assert fault is not None
    assert "`https://172.17.0.1:8443/v1`" in fault.fix
