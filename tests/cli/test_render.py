"""`freehold render`: what it writes, what it says, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

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
