"""Images of a real Docker Engine: saved into a bundle, loaded into an engine that lacks them, run by their ids."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.config import Deploy, Network
from freehold.deploy.bundle.contents import Wanted
from freehold.deploy.bundle.creating import Creation
from freehold.deploy.bundle.engine import Engine, _Read
from freehold.deploy.bundle.finding import Finder
from freehold.deploy.bundle.loading import ToEngine, ToRegistry
from freehold.deploy.bundle.reading import Bundle
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.verifying import pull_missing
from freehold.deploy.services.images import located
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.blobs import Blobs
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from freehold.store.registry.meter import Meter
from tests.docker import Engine as RealEngine
from tests.docker_registry import docker_registry

from .made import layer, push_image, push_index

QUIET = {"say": lambda _: None}


@pytest.fixture
def engine(docker: RealEngine) -> Engine:
    """Ours, of the tests' engine."""
    return Engine(Docker(docker.environment))


@pytest.fixture
def built(docker: RealEngine, tmp_path: Path) -> Iterator[str]:
    """The name of an image that no registry has: two layers, the second on top of the first."""
    name = f"freehold-test/bundled-{os.getpid()}:1"
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("etc/said")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"here"))
    (tmp_path / "root.tar").write_bytes(raw.getvalue())
    docker.docker("import", "--change", 'CMD ["/nothing"]', tmp_path / "root.tar", f"{name}-base")
    (tmp_path / "Dockerfile").write_text(f"FROM {name}-base\nCOPY root.tar /etc/twice\n")
    docker.docker("build", "--quiet", "--tag", name, tmp_path)
    yield name
    docker.docker("rmi", "--force", name, f"{name}-base", check=False)


def bundled(finder: Finder, folder: Path, *names: str) -> Bundle:
    """A bundle of these images."""
    wanted = Wanted(finder.platform, "models: []\n", tuple(finder.find(name) for name in names))
    store = Store(folder / "store").blobs
    created = Creation.begin(wanted, folder / "bundle.tar", store, finder.engine).create(None, lambda _: None)
    bundle = Bundle.open(created.place)
    bundle.verify(lambda _: None)
    return bundle


def test_an_image_that_was_built_here_is_carried_and_known_by_its_id(
    docker: RealEngine, engine: Engine, built: str, tmp_path: Path
) -> None:
    """Saved, removed, loaded: the same id, which the lock has; Compose runs it by that id alone."""
    before = engine.local(built)
    assert before is not None
    with open_client(Network(), {}) as client:
        bundle = bundled(Finder(client, {}, before.platform, engine), tmp_path, built)
        again = bundled(Finder(client, {}, before.platform, engine), tmp_path, built)
    assert (again.digest, bundle.manifest.images[0].source) == (bundle.digest, "engine")
    assert bundle.manifest.images[0].id == before.id
    docker.docker("rmi", "--force", built, f"{built}-base")
    assert engine.local(built) is None
    lock = ToEngine(engine, Deploy()).bring(bundle, **QUIET)
    assert lock == {built: f"id:{before.id}"}
    assert ToEngine(engine, Deploy()).bring(bundle, **QUIET) == lock
    folder = tmp_path / f"bundled{os.getpid()}"
    folder.mkdir()
    services = {"said": {"image": before.id, "network_mode": "none"}}
    (folder / "docker-compose.yml").write_text(json.dumps({"version": "2.4", "services": services}))
    docker.compose(folder, "up", "--no-start")
    (made,) = docker.docker(
        "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={folder.name}"
    ).split()
    assert docker.inspect(made)["Image"] == before.id
    docker.docker("cp", f"{made}:/etc/said", tmp_path / "said")
    assert (tmp_path / "said").read_text() == "here"
    docker.compose(folder, "down")


def test_images_of_registries_go_into_an_engine_and_through_a_registry_by_digest(
    docker: RealEngine, engine: Engine, tmp_path: Path
) -> None:
    """Layers as the registry compressed them; what is pushed on is pulled by the same digest by the real engine."""
    (tmp_path / "origin").mkdir()
    (tmp_path / "closed").mkdir()
    with (
        docker.network(),
        docker_registry(tmp_path / "origin") as origin,
        docker_registry(tmp_path / "closed") as closed,
        open_client(Network(), {}) as client,
    ):
        finder = Finder(client, {}, engine.platform(), engine, origin)
        architecture = finder.platform.removeprefix("linux/")
        images = {architecture: [layer("a"), layer("b")], "other": [layer("c")]}
        name = f"team/bundled-{os.getpid()}:1"
        place = Repository(f"{origin}/{name.removesuffix(':1')}", client)
        push_index(place, "1", images)
        bundle = bundled(finder, tmp_path, name)
        lock = ToEngine(engine, Deploy()).bring(bundle, **QUIET)
        assert lock == {name: f"id:{bundle.manifest.images[0].id}"}
        id_ = located(name, Deploy(), lock)
        pull_missing(engine.docker, [id_])  # it is here
        docker.docker("rmi", "--force", name)
        with pytest.raises(FreeholdError) as caught:
            pull_missing(engine.docker, [id_])
        assert caught.value.code == "bundle_image_gone"
        pushed = ToRegistry(closed, client, {}).bring(bundle, **QUIET)
        ((there, digest),) = pushed.items()
        pull_missing(engine.docker, [located(name, Deploy(registry=closed), pushed)])
        found = engine.local(f"{there}@{digest}")
        assert found is not None
        assert (found.id, digest) == (bundle.manifest.images[0].id, bundle.manifest.images[0].digest)
        assert found.digests
        docker.docker("tag", f"{there}@{digest}", name)
        assert Finder(client, {}, engine.platform(), engine).find(name).image.source == "engine"  # it gave it elsewhere
        docker.docker("rmi", "--force", found.id)


def test_another_platform_is_refused_before_anything_is_loaded(engine: Engine, tmp_path: Path) -> None:
    """With the platforms that there are; a bundle of all has one that fits, or says so too."""
    (tmp_path / "origin").mkdir()
    with docker_registry(tmp_path / "origin") as origin, open_client(Network(), {}) as client:
        push_image(Repository(f"{origin}/team/strange", client), "1", [layer("s")], "riscv64")
        push_index(Repository(f"{origin}/team/both", client), "1", {"riscv64": [layer("s")], "s390x": [layer("t")]})
        strange, both = "team/strange:1", "team/both:1"
        for platform, name in (("linux/riscv64", strange), ("all", strange), ("all", both)):
            bundle = bundled(Finder(client, {}, platform, None, origin), tmp_path, name)
            with pytest.raises(FreeholdError) as caught:
                ToEngine(engine, Deploy()).bring(bundle, **QUIET)
            assert caught.value.code == "bundle_platform_other"
            assert "riscv64" in str(caught.value.details["found"])


def test_docker_s_own_words_are_told(engine: Engine, tmp_path: Path) -> None:
    """Of an image that is not there, and of an engine that does not answer."""
    store = Store(tmp_path / "store")
    with store.writing(), pytest.raises(FreeholdError) as caught:
        engine.save("no/such:1", store.blobs, Meter("", lambda _: None))
    assert caught.value.code == "bundle_engine_failed"
    assert "reference does not exist" in str(caught.value.details["reason"])
    away = Engine(Docker({**engine.docker.environ, "DOCKER_HOST": f"unix://{tmp_path}/none"}))
    assert away.local("a:1") is None
    with store.writing(), pytest.raises(FreeholdError) as caught:
        away.save("a:1", Blobs(store.root), Meter("", lambda _: None))
    assert "Cannot connect" in str(caught.value.details["reason"])


def test_blocks_are_read_in_pieces() -> None:
    """Of any size, to the end."""
    read = _Read(iter([b"abc", b"d", b"efgh"]), Meter("", lambda _: None))
    assert [read.read(2), read.read(4), read.read(100), read.read(1)] == [b"ab", b"cdef", b"gh", b""]
