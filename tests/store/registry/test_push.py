"""Pushing to a real registry: what is sent, what is not, and what happens when the connection is cut."""

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.artifact import write_manifest
from freehold.errors import FreeholdError
from freehold.store import Store, Stored
from freehold.store.registry.client import Repository
from freehold.store.registry.places import Place, Places
from freehold.store.registry.push import push
from tests.docker_registry import Relay, silent, tags_of

Open = Callable[..., Repository]


def test_a_tag_leads_to_the_manifest_that_the_store_has(
    store: Store, stored: Stored, repository: Repository, registry: str
) -> None:
    """The registry has the artifact under the OCI digest that the store told beforehand, and its report by fallback."""
    done = push(store, stored, repository, "1", silent)
    assert done.oci_digest == stored.oci_digest
    assert (done.there, done.mounted, done.referrers) == (1, 0, 1)  # the report's empty config, which the golden is too
    assert done.moved > 500_000
    with urllib.request.urlopen(f"http://{registry}/v2/{repository.name}/tags/list") as answer:
        tags = json.load(answer)["tags"]
    fallback = stored.oci_digest.replace(":", "-")
    assert {"1", fallback} <= set(tags)
    assert all(tag == "1" or tag.startswith(fallback) for tag in tags)
    fetched = repository.manifest("1")
    assert fetched is not None
    assert fetched.digest == stored.oci_digest


def test_a_second_push_sends_nothing(store: Store, stored: Stored, repository: Repository) -> None:
    """What the registry has is not sent again, reports included."""
    push(store, stored, repository, "1", silent)
    again = push(store, stored, repository, "2", silent)
    assert (again.moved, again.sent, again.referrers) == (0, 0, 0)


def test_one_changed_file_moves_its_own_bytes(
    store: Store, large: Stored, make_artifact: Callable[..., Path], weights: bytes, relay: Relay, opened: Open
) -> None:
    """Of an artifact of which one file changed the wire carries that file and one percent of it at most."""
    repository = opened(relay.host)
    push(store, large, repository, "1", silent)
    changed = store.add(make_artifact(weights, license="mit"), "m")
    relay.up = 0
    done = push(store, changed, repository, "2", silent)
    manifest = len(store.blobs.read(changed.digest))
    assert done.sent == 1
    assert done.moved == manifest
    assert relay.up < 20_000


def test_blobs_of_a_neighbour_are_mounted(store: Store, stored: Stored, opened: Open, registry: str) -> None:
    """What another repository of the registry has is taken over inside the registry."""
    push(store, stored, opened(registry), "1", silent)
    done = push(store, stored, opened(registry, "other/place"), "1", silent)
    assert done.mounted == 4
    assert done.moved < 100


def test_a_neighbour_that_lost_a_blob_makes_it_be_sent(
    store: Store, stored: Stored, opened: Open, registry: str
) -> None:
    """A mount that the registry cannot make becomes an upload."""
    places = Places(store.root)
    places.note(Place(f"{registry}/never/there", "m", stored.oci_digest))
    done = push(store, stored, opened(registry), "1", silent)
    assert done.mounted == 0
    assert done.moved > 500_000


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_in_the_middle_is_survived(
    store: Store, large: Stored, relay: Relay, opened: Open, direction: str, registry: str
) -> None:
    """A connection that breaks within a blob, or loses an answer, costs time and nothing else."""
    relay.cut_after("up" if direction == "up" else "down", 12_000_000 if direction == "up" else 700, times=2)
    push(store, large, opened(relay.host), "1", silent)
    fetched = opened(registry).manifest("1")
    assert fetched is not None
    assert fetched.digest == large.oci_digest


def test_a_push_that_was_given_up_leaves_no_tag_and_goes_on(
    store: Store, large: Stored, relay: Relay, opened: Open, registry: str
) -> None:
    """When the registry stays away the push fails, nothing is under the tag, and the next one sends only the rest."""
    push(store, store.add(_small(store, large), "small"), opened(relay.host), "small", silent)
    relay.die_after("up", 15_000_000)
    with pytest.raises(FreeholdError) as raised:
        push(store, large, opened(relay.host), "1", silent)
    assert raised.value.code == "registry_unreachable"
    assert opened(registry).manifest("1") is None
    relay.touch = None
    done = push(store, large, opened(relay.host), "1", silent)
    assert (done.sent, done.moved) == (2, 20_000_000 + len(b'{"score": 1}'))  # the rest, the small one had brought
    assert tags_of(registry, opened(registry).name)[-1] == "small"


def _small(store: Store, stored: Stored) -> Path:
    """An artifact that shares all but the weights."""
    folder = store.root.parent / "small"
    shutil.copytree(store.path_of(stored), folder)
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").write_bytes(b"small")
    (folder / "manifest.json").unlink()
    write_manifest(folder, stored.manifest)
    return folder


def test_a_blob_that_the_store_lacks_stops_the_push(store: Store, stored: Stored, repository: Repository) -> None:
    """A store with a hole says which blob is gone, and pushes nothing under the tag."""
    entry = stored.manifest.files["model.onnx"]
    store.blobs.path(f"sha256:{entry.sha256}").unlink()
    with pytest.raises(FreeholdError) as raised:
        push(store, stored, repository, "1", silent)
    assert raised.value.code == "store_blob_missing"
    assert repository.manifest("1") is None


def test_a_blob_that_was_damaged_is_refused_by_the_registry(
    store: Store, stored: Stored, repository: Repository
) -> None:
    """The registry checks digests too: a blob that changed on disk never gets there."""
    path = store.blobs.path(f"sha256:{stored.manifest.files['README.md'].sha256}")
    path.chmod(0o644)
    path.write_bytes(b"A model!")
    with pytest.raises(FreeholdError) as raised:
        push(store, stored, repository, "1", silent)
    assert raised.value.code == "registry_refused"
    assert "DIGEST_INVALID" in raised.value.cause


def test_progress_is_told_in_bytes(store: Store, stored: Stored, repository: Repository) -> None:
    """Whoever watches sees megabytes grow."""
    said: list[str] = []
    push(store, stored, repository, "1", said.append)
    assert said
    assert all(text.startswith("push m:1: ") and text.endswith(" MB") for text in said)
