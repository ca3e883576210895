"""A bundle that is deployed where it was carried to: by a registry's digests, and by the ids of an engine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docker import Engine
from tests.docker_registry import docker_registry
from tests.e2e.test_deploy import Shop, write_version

PORT = 18093


@contextmanager
def carried(shop: Shop, to: str) -> Iterator[Shop]:
    """`shop` made into a bundle and loaded; a shop in the folder of the load, deployed until the block ends."""
    there = shop.folder / "there"
    for words in (
        ("bundle", "create", "--output", "b.tar", "--unsigned", "--no-wheels"),
        ("bundle", "load", "b.tar", "--unsigned", "--to", to, "--into", there),
    ):
        done = shop.run(*words)
        assert done.code == 0, done.err
    closed = Shop(shop.engine, shop.image, there, shop.name, shop.port)
    with shop.engine.port(shop.port):
        done = closed.run("deploy", "--json")
        try:
            assert done.code == 0, done.err
            yield closed
        finally:
            closed.run("down", "--yes")


def running(shop: Shop) -> list[dict[str, Any]]:
    """What the engine says of the deployment's containers."""
    listed = shop.engine.docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={shop.name}").split()
    return [shop.engine.inspect(one) for one in listed]


@pytest.mark.soak
@pytest.mark.parametrize("to", ["registry", "docker"])
def test_what_was_loaded_is_what_runs(docker: Engine, freehold_image: str, tmp_path: Path, to: str) -> None:
    """Our real image: from a registry by the digest in the lock, in an engine by its id; clients are served."""
    shop = Shop(docker, freehold_image, tmp_path, "carried", PORT)
    write_version(tmp_path / "one", 1.0)
    (tmp_path / "registry").mkdir()
    with docker.network(), docker_registry(tmp_path / "registry") as registry:
        shop.write("one", {"registry": registry} if to == "registry" else None)
        with carried(shop, registry if to == "registry" else "docker") as closed:
            (lock,) = json.loads((closed.folder / "images.lock.json").read_text())["images"].items()
            found = running(closed)
            assert len(found) == 2
            wanted = lock[1].removeprefix("id:") if to == "docker" else f"{lock[0]}@{lock[1]}"
            assert {one["Config"]["Image"] for one in found} == {wanted}
            with closed.crowd():
                pass
