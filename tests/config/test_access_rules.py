"""What must hold of `access`, each rule with the line that breaks it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import read

MODELS = "models: [{id: a, source: /a}]\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("trusted_proxies: [10.0.0.1/8]", "config_trusted_proxy", "host bits"),
        ("trusted_proxies: [10.0.0.1, 300.1.1.1]", "config_trusted_proxy", "`access.trusted_proxies[1]` is 300.1.1.1"),
        ("trusted_proxies: [0.0.0.0/0]", "config_trusted_everybody", "0.0.0.0/0"),
        ("trusted_proxies: ['::/0']", "config_trusted_everybody", "::/0"),
        ("trusted_proxies: [proxy.corp.local]", "config_value_invalid", "`access.trusted_proxies[0]`"),
        ("database: postgresql://u:p@h/x", "config_secret_literal", "`access.database`"),
    ],
)
def test_a_broken_rule_is_told_with_its_place(
    text: str, code: str, words: str, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    """One problem for one mistake; an address with a password never stands in the file."""
    write(f"{MODELS}access:\n  {text}\n")
    reading = read(None, {}, tmp_path)
    assert [problem.code for problem in reading.problems] == [code]
    assert words in reading.problems[0].cause
    assert "freehold.yaml:3" in reading.problems[0].cause


def test_what_holds_is_accepted(tmp_path: Path, write: Callable[[str], Path]) -> None:
    """Addresses and networks of both kinds; a file that is named relative to the configuration."""
    write(f"{MODELS}access: {{trusted_proxies: [10.0.0.7, 10.0.0.0/8, 'fd00::/8'], database: '${{file:url}}'}}\n")
    config = read(None, {}, tmp_path).config
    assert config is not None
    assert config.access.trusted_proxies == ("10.0.0.7", "10.0.0.0/8", "fd00::/8")
    assert config.access.database == f"${{file:{tmp_path}/url}}"
