"""The section `deploy` and what models say of deployments."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import load, read
from freehold.config.deploying import Deploy, Scale


def test_one_server_with_compose_is_the_default(write: Callable[[str], Path], tmp_path: Path) -> None:
    """On loopback, in small steps, with a way back."""
    write("models: [{id: a, source: /a}]\ndeploy: {}\n")
    config = load(None, {}, tmp_path)
    assert config.deploy == Deploy(data=str(tmp_path / "data"))
    assert (Deploy().target, Deploy().host, Deploy().port) == ("compose", "127.0.0.1", 8080)
    assert (Deploy().steps, Deploy().max_errors, Deploy().max_p99) == ((5, 50, 100), 0.01, 2.0)
    assert config.models[0].scale == Scale(least=1)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("target: nomad", "deploy.target"),
        ("kubernetes: 1.22", "deploy.kubernetes"),
        ("kubernetes: 'v1.22'", "deploy.kubernetes"),
        ("steps: [0, 100]", "deploy.steps[0]"),
        ("port: 70000", "deploy.port"),
        ("disk_mb_s: 0", "deploy.disk_mb_s"),
        ("max_p99: 1", "deploy.max_p99"),
        ("name: '-x'", "deploy.name"),
        ("ingress: {}", "deploy.ingress"),
        ("spot: {value: x}", "deploy.spot"),
        ("storage: {path: ''}", "deploy.storage.path"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(text: str, key: str, write: Callable[[str], Path], tmp_path: Path) -> None:
    """The version of a cluster is a text: 1.30 would else be 1.3."""
    write(f"models: [{{id: a, source: /a}}]\ndeploy: {{{text}}}\n")
    (problem,) = read(None, {}, tmp_path).problems
    assert f"`{key}`" in problem.cause
    assert problem.cause.startswith("freehold.yaml:2")
