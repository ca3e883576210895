"""From a configuration to a gateway: what is refused before anything starts."""

import logging
from pathlib import Path

import pytest

from freehold.config import Config, ModelConfig, Network, Require
from freehold.errors import FreeholdError
from freehold.gateway.build import build
from freehold.http import MemoryBudget
from freehold.telemetry import Telemetry

CHILD = ("sh", "-c", "sleep 60", "{port}")


def made(*models: ModelConfig, network: Network = Network()) -> list[str]:  # noqa: B008 - frozen
    gateway = build(Config(models=models, network=network), Telemetry(process=False), MemoryBudget(1 << 20), {})
    return [upstream.id for upstream in gateway.upstreams]


def test_only_what_others_compute_is_its_affair(tmp_path: Path) -> None:
    """Upstreams and children; a model that runs here is not."""
    here = ModelConfig(id="here", source="/nowhere")
    elsewhere = ModelConfig(id="elsewhere", source="http://127.0.0.1:9/v1")
    own = ModelConfig(id="own", source=str(tmp_path), command=CHILD)
    assert made(here, elsewhere, own) == ["elsewhere", "own"]
    assert made(here) == []


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (ModelConfig(id="a", source="/no/such/model", command=CHILD), "model_path_missing"),
        (ModelConfig(id="a", source="hf://org/name", engine="vllm"), "source_not_local"),
        (ModelConfig(id="a", source="/", command=("no-such-program", "{port}")), "child_program_missing"),
    ],
)
def test_what_cannot_be_started_is_told_at_the_start(model: ModelConfig, code: str) -> None:
    """A model that is not on this machine, or a program that is not."""
    with pytest.raises(FreeholdError) as caught:
        made(model)
    assert caught.value.code == code


def test_what_a_command_calls_its_model_is_its_own_affair() -> None:
    """A server that has a store of its own is asked by the name there."""
    assert made(ModelConfig(id="a", source="qwen3:4b", command=CHILD)) == ["a"]


def test_authorities_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    """Not when the first request fails; without upstreams nobody needs them."""
    network = Network(ca=str(tmp_path / "missing.pem"))
    with pytest.raises(FreeholdError) as caught:
        made(ModelConfig(id="a", source="https://h/v1"), network=network)
    assert caught.value.code == "tls_authority_unreadable"
    assert made(ModelConfig(id="here", source="/a"), network=network) == []


def test_a_proof_that_cannot_be_given_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It is served as `none`."""
    with caplog.at_level(logging.WARNING):
        made(ModelConfig(id="a", source="https://h/v1", require=Require(proof="always")))
    assert [record.message for record in caplog.records] == ["upstream_unproven"]
