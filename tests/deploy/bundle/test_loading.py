"""Bundles loaded: into a real registry with their digests, into a store, into a folder."""

import errno
import os
from pathlib import Path

import httpx2
import pytest

from freehold.config import Deploy, Source
from freehold.deploy.bundle import loading
from freehold.deploy.bundle.loading import ToRegistry, lay_out, load_artifacts, lock_images
from freehold.deploy.bundle.lock import read_lock
from freehold.deploy.bundle.manifest import ModelFolder
from freehold.deploy.bundle.reading import Bundle
from freehold.deploy.services.images import located
from freehold.errors import FreeholdError
from freehold.store import Store
from tests.docker_registry import relay_to

from .made import IMPATIENT, Site, layer, push_index

QUIET = {"say": lambda _: None}


def loader(client: httpx2.Client, registry: str) -> ToRegistry:
    """Into that registry, with little patience."""
    return ToRegistry(registry, client, {}, patience=IMPATIENT)


def test_a_registry_has_the_same_digests_afterwards(site: Site, closed: str, client: httpx2.Client) -> None:
    """Under the names that a configuration with that registry renders; what is shared is mounted, not sent again."""
    api = site.push("team/api", "1.15.0", "base", "api", size=50_000)
    redis = site.push("library/redis", "7", "base", "redis", size=50_000)
    created = site.create(site.wanted("team/api:1.15.0", "redis:7"))
    bundle = Bundle.open(created.place)
    lock = loader(client, closed).bring(bundle, **QUIET)
    assert lock == {f"{closed}/team/api:1.15.0": api, f"{closed}/library/redis:7": redis}
    settings = Deploy(registry=closed)
    assert located("redis:7", settings, lock) == f"{closed}/library/redis:7@{redis}"
    for name, tag, digest in (("team/api", "1.15.0", api), ("library/redis", "7", redis)):
        there = Site(closed, client, site.root, site.store).repository(name)
        fetched = there.manifest(tag)
        assert fetched is not None
        assert fetched.digest == digest
        assert all(there.has_blob(part.digest) for part in bundle.contents(digest))


def test_a_bundle_of_all_platforms_keeps_the_index(site: Site, closed: str, client: httpx2.Client) -> None:
    """Its digest and every platform of it; for one platform it is that one's manifest, and the index is noted."""
    index = push_index(site.repository("team/multi"), "1", {"amd64": [layer("x86")], "arm64": [layer("arm")]})
    one = site.finder("linux/arm64").find("team/multi:1")
    assert (one.image.index, len(one.blobs)) == (index, 2)
    every = site.finder("all").find("team/multi:1")
    created = site.create(site.wanted(images=(every,)))
    bundle = Bundle.open(created.place)
    lock = loader(client, closed).bring(bundle, **QUIET)
    assert lock == {f"{closed}/team/multi:1": index}
    there = Site(closed, client, site.root, site.store).repository("team/multi")
    assert there.has_manifest(one.image.digest)
    assert len(bundle.contents(index)) == 4


def test_an_index_that_does_not_say_that_it_is_one_is_pushed_as_one(
    site: Site, closed: str, client: httpx2.Client
) -> None:
    """OCI's media type is in the header then, and need not be in the document."""
    index = push_index(site.repository("team/untyped"), "1", {"amd64": [layer("x86")]}, media_type=None)
    bundle = Bundle.open(site.create(site.wanted(images=(site.finder("all").find("team/untyped:1"),))).place)
    assert loader(client, closed).bring(bundle, **QUIET) == {f"{closed}/team/untyped:1": index}


def test_a_load_goes_on_where_the_registry_went_down(site: Site, closed: str, client: httpx2.Client) -> None:
    """What had arrived is not sent again, and there is no lock file of half a load."""
    site.push("team/slow", "1", "a", "b", "c", size=700_000)
    bundle = Bundle.open(site.create(site.wanted("team/slow:1")).place)
    with relay_to(closed) as relay:
        relay.die_after("up", 1_600_000)
        with pytest.raises(FreeholdError) as caught:
            loader(client, relay.host).bring(bundle, **QUIET)
    assert caught.value.code == "registry_unreachable"
    with relay_to(closed) as relay:
        loader(client, relay.host).bring(bundle, **QUIET)
        assert relay.up < 2_100_000


def test_a_name_that_is_no_registry_is_never_docker_hub(site: Site, client: httpx2.Client) -> None:
    """A misspelt word, or a host without dot and port, which Docker reads as a name there."""
    bundle = Bundle.open(site.create(site.wanted()).place)
    for name in ("Docker", "registry/mirror"):
        with pytest.raises(FreeholdError) as caught:
            loader(client, name).bring(bundle, **QUIET)
        assert caught.value.code == "bundle_registry_invalid"


def test_artifacts_come_into_the_store_with_what_is_said_about_them(site: Site, tmp_path: Path) -> None:
    """Under their names and tags, every file verified; a second time nothing is written."""
    bundle = Bundle.open(site.create(site.wanted()).place)
    store = Store(tmp_path / "closed" / "store")
    for _ in range(2):
        assert load_artifacts(bundle, store, lambda _: None) == ("mlp:1",)
    found = store.find(Source("store", "mlp", "1"))
    assert found.oci_digest == site.store.find(Source("store", "mlp", "1")).oci_digest
    assert len(store.referrers(found)) == 1


def test_a_folder_gets_the_rest(site: Site, tmp_path: Path) -> None:
    """Configuration, plugins, models: those that were fetched where they are looked for, those of a path below it."""
    plugin, fetched, own = tmp_path / "p.difypkg", tmp_path / "fetched", tmp_path / "own.onnx"
    plugin.write_text("plugin")
    own.write_text("graph")
    (fetched / "onnx").mkdir(parents=True)
    (fetched / "onnx" / "model.onnx").write_text("weights")
    models = (
        (ModelFolder("bge", "hf://BAAI/bge-m3", "models/BAAI/bge-m3"), fetched),
        (ModelFolder("own", "/srv/own.onnx", "models/path/own"), own),
    )
    bundle = Bundle.open(site.create(site.wanted(plugins=(plugin,), models=models)).place)
    folder, home = tmp_path / "load", tmp_path / "home" / "models"
    for _ in range(2):
        lay_out(bundle, folder, home)
    assert (folder / "freehold.yaml").read_text().startswith("models:")
    assert (folder / "plugins" / "p.difypkg").read_text() == "plugin"
    assert (folder / "models" / "path" / "own" / "own.onnx").read_text() == "graph"
    assert (home / "BAAI" / "bge-m3" / "onnx" / "model.onnx").read_text() == "weights"


def test_a_file_that_is_there_and_differs_stops_it(site: Site, tmp_path: Path) -> None:
    """Before anything is written; a configuration alone is the user's, and stays."""
    folder = tmp_path / "load"
    (folder / "plugins").mkdir(parents=True)
    (folder / "freehold.yaml").write_text("mine")
    (folder / "plugins" / "b.difypkg").write_text("mine")
    for name in ("a.difypkg", "b.difypkg"):
        (tmp_path / name).write_text("plugin")
    plugins = (tmp_path / "a.difypkg", tmp_path / "b.difypkg")
    bundle = Bundle.open(site.create(site.wanted(plugins=plugins)).place)
    with pytest.raises(FreeholdError) as caught:
        lay_out(bundle, folder, tmp_path / "models")
    assert caught.value.code == "bundle_file_taken"
    assert [path.name for path in (folder / "plugins").iterdir()] == ["b.difypkg"]
    (folder / "plugins" / "b.difypkg").unlink()
    lay_out(bundle, folder, tmp_path / "models")
    assert (folder / "freehold.yaml").read_text() == "mine"


def test_a_disk_that_fills_leaves_no_half_of_a_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came whole stays for the next try."""
    bundle = Bundle.open(site.create(site.wanted()).place)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(loading, "_verified", full)
    with pytest.raises(FreeholdError) as caught:
        lay_out(bundle, tmp_path / "load", tmp_path / "models")
    assert caught.value.code == "bundle_unwritable"
    assert not list((tmp_path / "load").iterdir())


def test_what_changes_after_it_was_verified_is_not_taken(site: Site, tmp_path: Path) -> None:
    """Bytes are compared once more as they are copied."""
    bundle = Bundle.open(site.create(site.wanted(), "bundle").place)
    bundle.verify(lambda _: None)
    for name, file in bundle.files.items():
        if name == "freehold.yaml" or file.read(0, 7) == b"weights":
            file.path.chmod(0o644)
            file.path.write_bytes(bytes(file.size))
    with pytest.raises(FreeholdError) as caught:
        lay_out(bundle, tmp_path / "load", tmp_path / "models")
    assert caught.value.code == "bundle_tampered"
    assert not (tmp_path / "load" / "freehold.yaml").exists()
    with pytest.raises(FreeholdError) as caught:
        load_artifacts(bundle, Store(tmp_path / "closed" / "store"), lambda _: None)
    assert caught.value.code == "bundle_tampered"


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    """With the system's reason."""
    (tmp_path / "file").write_text("")
    bundle = Bundle.open(site.create(site.wanted()).place)
    with pytest.raises(FreeholdError) as caught:
        lock_images(bundle, tmp_path / "file" / "load", {})
    assert caught.value.code == "bundle_unwritable"
    assert read_lock(lock_images(bundle, tmp_path / "load", {"a:1": "sha256:1"}).parent) == {"a:1": "sha256:1"}
