"""Bundles put together: what is in them, what comes again, and what a failure leaves."""

import errno
import json
import os
from pathlib import Path

import pytest

from freehold.deploy.bundle import creating
from freehold.deploy.bundle.creating import Creation
from freehold.deploy.bundle.manifest import ModelFolder
from freehold.deploy.bundle.reading import Bundle
from freehold.errors import FreeholdError
from freehold.store.oci import digest_of
from freehold.store.signing import public_key
from tests.docker_registry import relay_to

from .made import KEY, Site, layer


@pytest.mark.parametrize("name", ["bundle.tar", "bundle"])
def test_images_keep_their_digests_and_share_their_layers(site: Site, name: str) -> None:
    """In a file and in a folder: manifests byte for byte, every layer once, the artifact, the configuration; signed."""
    one, two = site.push("team/api", "1", "base", "api"), site.push("team/web", "1", "base", "web")
    created = site.create(site.wanted("team/api:1", "team/web:1"), name)
    bundle = Bundle.open(created.place)
    assert [(image.name, image.digest) for image in bundle.manifest.images] == [
        ("team/api:1", one),
        ("team/web:1", two),
    ]
    for image, repository in zip(bundle.manifest.images, ("team/api", "team/web"), strict=True):
        fetched = site.repository(repository).manifest("1")
        assert fetched is not None
        assert bundle.document(image.digest) == fetched.raw
    assert digest_of(layer("base")) in {part.digest for part in bundle.contents(one)}
    assert len([file for file in bundle.files if file.startswith("blobs/")]) == 2 + 2 + 3 + 5
    assert bundle.files["freehold.yaml"].read(0, 9) == b"models: ["
    assert bundle.signed_by(public_key(KEY.public_key())).at is not None
    bundle.verify(lambda _: None)
    index = json.loads(bundle.files["index.json"].read(0, 10_000))
    assert len(index["manifests"]) == 3
    assert not created.place.with_name(f"{name}.parts").exists()


def test_the_same_content_makes_the_same_bundle(site: Site) -> None:
    """Byte for byte, where it is not signed; the checksums are those that sha256sum prints."""
    site.push("team/api", "1", "same")
    wanted = site.wanted("team/api:1")
    one, two = site.create(wanted, "one.tar", signed=False), site.create(wanted, "two.tar", signed=False)
    assert one.place.read_bytes() == two.place.read_bytes()
    bundle = Bundle.open(one.place)
    sums = bundle.files["SHA256SUMS"].read(0, 10_000).decode().splitlines()
    assert {line.split("  ")[1] for line in sums} == bundle.files.keys() - {"SHA256SUMS"}


@pytest.mark.parametrize("name", ["bundle.tar", "bundle"])
def test_a_second_time_only_what_is_new_comes(site: Site, name: str) -> None:
    """From the bundle that is there the rest is taken, and its plan says so before."""
    site.push("team/grown", "1", "old", size=100_000)
    first = site.create(site.wanted("team/grown:1"), name)
    assert first.moved > 100_000
    site.push("team/grown", "2", "old", "new", size=0)
    again = Creation.begin(site.wanted("team/grown:1", "team/grown:2"), first.place, site.store.blobs, None)
    assert again.plan()[0].missing == 0
    assert 0 < sum(row.missing or 0 for row in again.plan()) < 2000
    second = again.create(KEY, lambda _: None)
    assert second.moved < 2000
    bundle = Bundle.open(second.place)
    bundle.verify(lambda _: None)
    assert len(bundle.manifest.images) == 2


def test_a_registry_that_goes_down_costs_nothing_that_came(site: Site, tmp_path: Path) -> None:
    """The next try goes on with what lies beside; no bundle is there until then."""
    site.push("team/large", "1", "a", "b", size=3_000_000)
    output = tmp_path / "bundle.tar"
    with relay_to(site.registry) as relay:
        found = site.finder(registry=relay.host).find("team/large:1")
        wanted = site.wanted(images=(found,))
        relay.die_after("down", 2_500_000)
        with pytest.raises(FreeholdError) as caught:
            Creation.begin(wanted, output, site.store.blobs, None).create(KEY, lambda _: None)
    assert caught.value.code == "registry_unreachable"
    assert not output.exists()
    kept = sum(path.stat().st_size for path in (tmp_path / "bundle.tar.parts").rglob("*") if path.is_file())
    assert kept > 1_000_000
    created = site.create(site.wanted("team/large:1"))
    assert created.moved < 6_000_000 - kept + 10_000
    Bundle.open(output).verify(lambda _: None)


def test_a_full_disk_is_said_before_anything_is_fetched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed and what there is; a .tar needs twice the room while it is made."""
    site.push("team/big", "1", "x", size=500_000)
    wanted = site.wanted("team/big:1")
    usage = os.statvfs("/tmp")
    monkeypatch.setattr(creating, "SPARE", usage.f_bavail * usage.f_frsize * 2)
    with pytest.raises(FreeholdError) as caught:
        site.create(wanted)
    assert caught.value.code == "bundle_full"
    assert caught.value.details["needed"] > caught.value.details["free"]
    assert not list((site.root / "bundle.tar.parts").iterdir())


def test_what_a_killed_try_left_takes_no_room_from_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a tar, or models that were copied: they are gone before the room is counted."""
    parts = site.root / "bundle.tar.parts"
    parts.mkdir()
    (parts / ".bundle.tar.part").write_bytes(bytes(1000))
    left = []

    def look(_: Creation) -> None:
        left.extend(parts.iterdir())

    monkeypatch.setattr(Creation, "_require_room", look)
    Bundle.open(site.create(site.wanted()).place)
    assert left == []


def test_a_disk_that_fills_meanwhile_leaves_no_bundle(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file system says becomes the same error, and what came stays for the next try."""
    site.push("team/api", "1", "full")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(creating.tar, "pack", full)
    with pytest.raises(FreeholdError) as caught:
        site.create(site.wanted("team/api:1"))
    assert caught.value.code == "bundle_full"
    assert not (site.root / "bundle.tar").exists()
    assert (site.root / "bundle.tar.parts" / "manifest.json").exists()


def test_what_is_no_bundle_is_not_replaced(site: Site) -> None:
    """Whether a file or a folder with other things in it."""
    (site.root / "bundle.tar").write_text("letters")
    (site.root / "photos").mkdir()
    (site.root / "photos" / "cat.jpg").write_text("a cat")
    for name in ("bundle.tar", "photos"):
        with pytest.raises(FreeholdError) as caught:
            site.create(site.wanted(), name)
        assert caught.value.code == "bundle_output_taken"
    assert (site.root / "photos" / "cat.jpg").exists()


def test_one_at_a_time(site: Site) -> None:
    """Two commands do not write to one place."""
    parts = site.root / "bundle.tar.parts"
    parts.mkdir()
    held = creating.try_exclusive(parts)
    assert held is not None
    try:
        with pytest.raises(FreeholdError) as caught:
            site.create(site.wanted())
        assert caught.value.code == "bundle_busy"
    finally:
        os.close(held)


def test_what_an_earlier_try_brought_and_nobody_wants_is_left_out(site: Site) -> None:
    """A layer of another tag, a plugin that is not asked for any more, wheels, and what is none of ours."""
    parts = site.root / "bundle.tar.parts"
    for name in ("blobs/sha256/" + "0" * 64, "plugins/old.difypkg", "wheels/old.whl", "letter", "models/a/b"):
        (parts / name).parent.mkdir(parents=True, exist_ok=True)
        (parts / name).write_text("old")
    plugin = site.root / "new.difypkg"
    plugin.write_text("new")
    files = Bundle.open(site.create(site.wanted(plugins=(plugin,))).place).files
    assert {name for name in files if name.startswith(("plugins/", "wheels/"))} == {"plugins/new.difypkg"}
    assert not {"blobs/sha256/" + "0" * 64, "letter", "models/a/b"} & files.keys()


@pytest.mark.parametrize("name", ["line\nbreak", "n" * 130])
def test_a_file_whose_name_no_bundle_can_have_is_told_when_it_is_made(site: Site, name: str) -> None:
    """And not on the other side."""
    model = site.root / "model"
    model.mkdir()
    (model / name).write_text("weights")
    with pytest.raises(FreeholdError) as caught:
        site.create(site.wanted(models=((ModelFolder("m", "/srv/m", "models/path/m"), model),)))
    assert caught.value.code == "bundle_name_unfit"
    assert not (site.root / "bundle.tar").exists()
