"""`freehold bundle load` from the command line, into a real Docker Engine, and what it says."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.bundle.contents import Wanted
from freehold.deploy.bundle.creating import Creation
from freehold.deploy.bundle.engine import Engine
from freehold.deploy.bundle.finding import Finder
from freehold.deploy.compose.docker import Docker
from freehold.store.blobs import Blobs
from freehold.store.http_client import open_client
from tests.docker import Engine as RealEngine

from .conftest import Ran

Freehold = Callable[..., Ran]


def test_into_docker_and_rendered_by_ids(
    folder: Path, docker: RealEngine, freehold: Freehold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was built on one machine and loaded on another is what Compose is told to run: by the id it has there."""
    name = f"ours/loaded-{os.getpid()}:1"
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /etc/said\n")
    docker.docker("build", "--quiet", "--tag", name, folder)
    upstream = [{"id": "m", "source": "http://192.0.2.1/v1"}]
    text = json.dumps({"models": upstream, "deploy": {"image": name}})
    with open_client(Network(), {}) as client:
        engine = Engine(Docker(docker.environment))
        found = Finder(client, {}, engine.platform(), engine).find(name)
        wanted = Wanted(engine.platform(), text, (found,))
        Creation.begin(wanted, folder / "b.tar", Blobs(folder / "store"), engine).create(None, lambda _: None)
    docker.docker("rmi", "--force", name)
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    loaded = freehold("bundle", "load", "b.tar", "--unsigned", "--to", "docker", "--into", "there", "--json").data
    assert loaded["images"] == {name: f"id:{found.image.id}"}
    assert loaded["notes"] == []
    rendered = freehold("render", "compose", "there/freehold.yaml", "--output", "out")
    assert rendered.code == 0, rendered.err
    assert f"image: {found.image.id}\n" in (folder / "out" / "compose.yaml").read_text()
    docker.run("docker-compose", "-f", folder / "out" / "compose.yaml", "config", "--quiet")
    docker.docker("rmi", "--force", name)


def test_what_is_lost_is_a_usage_error(folder: Path, freehold: Freehold) -> None:
    """Without --to, and without a word on whose bundle it is."""
    assert freehold("bundle", "load", "b.tar", "--unsigned").code == 2
    ran = freehold("bundle", "load", "b.tar", "--to", "docker", "--json")
    assert (ran.code, ran.error["code"]) == (2, "bundle_key_needed")
