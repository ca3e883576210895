"""`freehold render`: what it writes, what it says, and what it leaves alone."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from freehold.config.home import home
from freehold.gateway.rollouts.ledger import Ledger
from freehold.gateway.rollouts.rollout import Rollout
from tests.cli.conftest import Ran

Run = Callable[..., Ran]

ROUTES = """\
models:
  - {id: near, source: "http://10.0.0.1:8000/v1", key: "${env:NEAR_KEY}"}
  - {id: far, source: "http://vllm.test:8000/v1"}
routes: [{model: chat, to: [{id: near}], fallback: far, hold: {requests: 0}}]
access: {auth: none}
"""


@pytest.fixture
def config(folder: Path) -> Path:
    path = folder / "freehold.yaml"
    path.write_text(ROUTES, encoding="utf-8")
    return path


@pytest.mark.usefixtures("config")
def test_nginx_writes_its_files_and_says_what_they_lack(freehold: Run, folder: Path) -> None:
    """A folder that Nginx starts from; where the key goes is told, and files that others put there stay."""
    key = folder / "out" / "keys" / "near.conf"
    key.parent.mkdir(parents=True)
    key.write_text("mine")
    ran = freehold("render", "nginx", "--output", "out", "--resolver", "10.0.0.53", "--json")
    assert ran.code == 0, ran.err
    assert {warning["code"] for warning in ran.data["warnings"]} == {"rendering_key", "rendering_readiness"}
    assert {path.name for path in (folder / "out").iterdir()} == {"keys", *ran.data["files"]}
    assert key.read_text() == "mine"
    assert "resolver 10.0.0.53 valid=5s;" in (folder / "out" / "freehold.conf").read_text(encoding="utf-8")
    again = freehold("render", "nginx", "-o", "out", "--resolver", "10.0.0.53", "--lang", "zh")
    assert "keys/near.conf" in again.out
    assert again.out.endswith("routes.js\n")


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("verb", [("nginx", "--resolver", "10.0.0.53"), ("envoy",)], ids=["nginx", "envoy"])
def test_a_rollout_is_told_and_not_rendered(freehold: Run, folder: Path, verb: tuple[str, ...]) -> None:
    """Its weights are for a while. One that has no say any more, or says what the file says, is not told."""
    ledger = Ledger(home(os.environ))
    over = Rollout(route="chat", new="far", steps=(100,), hold_s=0, old={"near": 100}, phase="done", step=0)

    def told(rollout: Rollout) -> bool:
        ledger.change("chat", lambda _: rollout)
        ran = freehold("render", *verb, "-o", "out", "--json")
        return "rendering_rollout" in {warning["code"] for warning in ran.data["warnings"]}

    assert told(over)
    text = "".join(path.read_text(encoding="utf-8") for path in (folder / "out").iterdir())
    assert not told(msgspec.structs.replace(over, settled=True))
    assert not told(msgspec.structs.replace(over, phase="aborted"))
    assert text == "".join(path.read_text(encoding="utf-8") for path in (folder / "out").iterdir())


def test_envoy_writes_one_file(freehold: Run, folder: Path, config: Path) -> None:
    """The same configuration, named on the command line."""
    ran = freehold("render", "envoy", str(config), "--output", str(folder / "for" / "envoy"), "--json")
    assert ran.code == 0, ran.err
    assert ran.data["files"] == ["envoy.yaml"]
    assert (folder / "for" / "envoy" / "envoy.yaml").is_file()


@pytest.mark.usefixtures("config")
def test_what_cannot_be_rendered_writes_nothing(freehold: Run, folder: Path) -> None:
    """A name without a name server, a folder that is a file."""
    ran = freehold("render", "nginx", "--output", "out", "--json")
    assert (ran.code, ran.error["code"]) == (1, "rendering_resolver_missing")
    assert not (folder / "out").exists()
    (folder / "out").write_text("a file")
    ran = freehold("render", "nginx", "--output", "out", "--resolver", "10.0.0.53", "--json")
    assert (ran.code, ran.error["code"]) == (1, "rendering_unwritable")
    assert (folder / "out").read_text() == "a file"
