"""What moves the routes of a node."""

import asyncio
from pathlib import Path

import pytest

from freehold.cli.state import State
from freehold.cli.traffic import Origin, Traffic, origin_of
from freehold.config import Config, ModelConfig
from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here
from freehold.http import MemoryBudget
from freehold.telemetry import Telemetry
from tests.crowd import eventually

A, B = (ModelConfig(id=name, source=f"http://127.0.0.1:9/{name}/v1") for name in "ab")
LOCAL = ModelConfig(id="here", source="/here")


def traffic(config: Config, origin: Origin, home: Path) -> Traffic:
    """Around a gateway of that configuration."""
    telemetry, memory = Telemetry(process=False), MemoryBudget(1 << 20)
    here = [Here("here", lambda: ("ready", None, ()))] if config.model("here") else []
    gateway = build(config, telemetry, memory, {}, here=here)
    return Traffic(config, origin, gateway, State(home, home, kept=True), memory, telemetry)


def test_the_origin_of_a_configuration_is_its_file(tmp_path: Path) -> None:
    """Read again it gives what it says by then; a model alone has none."""
    file = tmp_path / "freehold.yaml"
    file.write_text("models: [{id: a, source: 'http://h/v1'}]\n")
    origin = origin_of(None, {}, tmp_path)
    assert origin.file == file
    file.write_text("models: [{id: b, source: 'http://h/v1'}]\n")
    assert [model.id for model in origin.load().models] == ["b"]
    assert origin_of("model.onnx", {}, tmp_path).file is None


def test_a_node_of_one_model_only_tells_that_its_file_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There are no rollouts to look for, and routes need a restart."""
    file, home = tmp_path / "freehold.yaml", tmp_path / "home"
    file.write_text("models: [{id: here, source: /here}]\n")
    origin = origin_of(None, {}, tmp_path)

    async def scenario() -> None:
        async with traffic(origin.load(), origin, home).life():
            file.write_text("models: [{id: here, source: /here}, {id: a, source: 'http://127.0.0.1:9/v1'}]\n")
            await asyncio.to_thread(eventually, lambda: "config_refused" in caplog.text, "it is refused")

    asyncio.run(scenario())
    assert [getattr(record, "code", "") for record in caplog.records] == ["gateway_not_in_front"]
    assert not home.exists()


def test_a_file_that_changes_is_taken_up(tmp_path: Path) -> None:
    """By the gateway, while it lives."""
    file = tmp_path / "freehold.yaml"
    file.write_text("models: [{id: a, source: 'http://127.0.0.1:9/v1'}]\n")

    async def scenario() -> list[str]:
        origin = origin_of(None, {}, tmp_path)
        one = traffic(origin.load(), origin, tmp_path)
        async with one.life():
            file.write_text("models: [{id: b, source: 'http://127.0.0.1:9/v1'}]\n")
            upstreams = one.gateway.upstreams
            await asyncio.to_thread(eventually, lambda: [upstream.id for upstream in upstreams] == ["b"], "b")
        return list(one.gateway.front.table.names)

    assert asyncio.run(scenario()) == ["b"]


@pytest.mark.parametrize(("model", "code"), [("a", "model_loading"), ("here", None), ("nobody", None)])
def test_a_rollout_sees_what_is_known_of_a_model(tmp_path: Path, model: str, code: str | None) -> None:
    """Why it cannot answer now, and nothing of one that is not there."""
    config = Config(models=(LOCAL, A, B))
    sight = traffic(config, Origin(None, lambda: config), tmp_path).sight(model)
    assert (sight is None) == (model == "nobody")
    assert (sight and sight.error and sight.error.code) == code
