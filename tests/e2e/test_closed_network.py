"""From a bundle to a Dify that runs: by a registry's digests, and by ids of an engine; stand-ins for Dify's images."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from freehold.config import Deploy
from freehold.deploy.bundle.lock import read_lock
from freehold.deploy.services.images import located
from tests.deploy.topology.configured import installed
from tests.dify_images import provide
from tests.docker import Engine
from tests.docker_registry import docker_registry
from tests.e2e.test_deploy import write_version
from tests.e2e.test_deploy_dify import SERVERS, Office

NAME, PORT, DIFY_PORT = "closed", 18197, 18198


@contextmanager
def registry(engine: Engine, folder: Path) -> Iterator[str]:
    """A registry in the engine's network; its `host:port`. What the engine has under names of it goes with it."""
    folder.mkdir()
    with engine.network(), docker_registry(folder) as host:
        yield host
    names = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}").split()
    there = {name.partition("@")[0] for name in names if name.startswith(f"{host}/")}
    engine.docker("rmi", "--force", *(name for name in there if "<none>" not in name), check=False)


def done(office: Office, *words: object) -> str:
    """What `freehold WORDS` says, which ends well."""
    ran = office.run(*words)
    assert ran.code == 0, ran.err
    return ran.out


def deployed(office: Office, registry: str | None) -> dict[str, str]:
    """The image of each of Dify's containers, by service, once what the bundle brought was deployed, and is down again;
    nothing stays of it."""
    file = office.folder / "freehold.yaml"
    said = yaml.safe_load(file.read_text())
    said["models"][0]["source"] = str(office.folder / "models" / "path" / "soft" / "model.onnx")
    said["deploy"]["registry"] = registry
    file.write_text(yaml.safe_dump(said))
    try:
        done(office, "deploy", "--json")
        ids = {name: found.split()[0] for name, found in office.containers().items()}
        images = office.engine.docker("inspect", "--format", "{{.Config.Image}}", *ids.values()).split()
        return dict(zip(ids, images, strict=True))
    finally:
        office.run("down", "--yes")
        volumes = office.engine.docker("volume", "ls", "--quiet", "--filter", f"name={NAME}-dify-").split()
        office.engine.docker("volume", "rm", *volumes, check=False)


@pytest.mark.soak
def test_a_dify_is_carried_and_deployed(docker: Engine, freehold_image: str, tmp_path: Path) -> None:
    """Created, verified, loaded into a registry, pulled from it by digest; and the same file loaded into the engine."""
    office = Office(docker, freehold_image, tmp_path / "open", NAME, PORT)
    provide(docker, installed(), office.folder / "image")
    write_version(office.folder / "one", 1.0)
    office.configure(port=DIFY_PORT)
    images = {service.image for service in installed().services}
    with registry(docker, tmp_path / "origin") as origin:
        for image in images:
            there = located(image, Deploy(registry=origin), {})
            docker.docker("tag", image, there)
            docker.docker("push", "--quiet", there)
            docker.docker("rmi", image)
        done(office, "models", "sign", "--new-key", "ours")
        bundle = tmp_path / "bundle.tar"
        words = ("--from", origin, "--no-wheels", "--sign-key", "ours.key")
        done(office, "bundle", "create", "--output", bundle, *words)
    shutil.rmtree(office.folder / "one")
    key = office.folder / "ours.pub"
    verified = json.loads(done(office, "bundle", "verify", bundle, "--key", key, "--json"))
    assert {one["name"] for one in verified["images"]} == images | {freehold_image}

    closed = Office(docker, freehold_image, tmp_path / "closed", NAME, PORT)
    with registry(docker, tmp_path / "mirror") as mirror, docker.port(PORT):
        done(office, "bundle", "load", bundle, "--key", key, "--to", mirror, "--into", closed.folder)
        ran = deployed(closed, mirror)
        assert ran.keys() == SERVERS
        compose = (closed.compose / "compose.yaml").read_text()
        for name, digest in read_lock(closed.folder).items():
            assert name.startswith(f"{mirror}/")
            assert f"image: {name}@{digest}\n" in compose

    closed = Office(docker, freehold_image, tmp_path / "ids", NAME, PORT)
    with docker.port(PORT):
        done(office, "bundle", "load", bundle, "--key", key, "--to", "docker", "--into", closed.folder)
        ran = deployed(closed, None)
        ids = {id_.removeprefix("id:") for id_ in read_lock(closed.folder).values()}
        assert ran.keys() == SERVERS
        assert set(ran.values()) <= ids
