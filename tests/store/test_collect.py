"""What gc removes and what it leaves."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from freehold.config import parse
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.collect import Collected
from freehold.store.index import encode
from freehold.store.locks import shared
from freehold.store.oci import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor

DAY_S = 86_400


def blobs(store: Store) -> set[str]:
    return {path.name for path in store.blobs.folder.iterdir()}


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * DAY_S,) * 2)


def test_what_nothing_refers_to_goes(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Shared content stays with the artifact that still has it, and so do reports; a plan removes nothing."""
    assert store.collect() == Collected()
    store.add(make_artifact(b"one"), "m")
    kept = store.add(make_artifact(b"two"), "m")
    store.attach(kept, "t/report", {"report.json": b"{}"})
    store.remove(parse("m:1"))
    before = blobs(store)
    planned = store.collect(plan=True)
    assert blobs(store) == before
    assert store.collect() == planned
    assert planned.blobs == 3, "its graph, its manifest and its image; the golden and the README are shared"
    assert before - blobs(store) != set()
    assert store.collect().blobs == 0
    store.close()
    Store(store.root).path_of(kept)
    assert store.referrers(kept)[0].files["report.json"].size == 2


def test_artifacts_without_a_tag_go_when_asked(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Deployments name digests, so by default they stay."""
    first, second = store.add(make_artifact(b"one"), "m", "prod"), store.add(make_artifact(b"two"), "m", "prod")
    assert store.collect().blobs == 0
    assert store.find(parse(f"m@{first.digest}")).tag == ""
    planned = store.collect(plan=True, untagged=True)
    assert len(store.list()) == 2
    assert store.collect(untagged=True) == planned
    assert [one.digest for one in store.list()] == [second.digest]


def test_leftovers_of_killed_writers_go(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Half files, asides, half folders; an interrupted download waits a day for its next try."""
    stored = store.add(make_artifact(), "m")
    store.close()
    store.path_of(stored)
    young, old = store.blobs.incoming / "a.part", store.blobs.incoming / "b.part"
    leftovers = [store.blobs.incoming / "tmpabc", store.root / ".index.json.4711", old]
    for path in (young, *leftovers):
        path.write_bytes(b"half")
    age(old, 2)
    (store.folders.root / ".making-x").mkdir()
    assert store.collect().bytes == 12
    assert not any(path.exists() for path in leftovers)
    assert young.exists()
    assert [entry.name for entry in store.folders.root.iterdir()] == [stored.digest[7:]]


def test_folders_go_when_nobody_needs_them(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Of artifacts that are gone at once, of others after a while; what a server has open stays."""
    serving, other = Store(store.root), store
    open_one, idle = store.add(make_artifact(b"one"), "m"), store.add(make_artifact(b"two"), "m")
    held, left = serving.path_of(open_one), other.path_of(idle)
    other.close()
    assert other.collect().folders == ()
    age(left, 40)
    age(held, 40)
    collected = other.collect(plan=True)
    assert (collected.folders, collected.in_use) == ((left.name,), (held.name,))
    assert other.collect() == collected
    assert (left.exists(), held.exists()) == (False, True)
    other.remove(parse("m:1"))
    assert other.collect().in_use == (held.name,)
    assert (held / "model.onnx").read_bytes() == b"one", "its blob is gone, its folder has the bytes"
    serving.close()
    assert other.collect().folders == (held.name,)


def test_what_other_tools_put_in_stays(store: Store, make_artifact: Callable[..., Path]) -> None:
    """An image of theirs with all it reaches, through an index too, and even when a part cannot be read."""
    store.add(make_artifact(), "m")
    with store.writing():
        layer, config = store.blobs.put(b"layer"), store.blobs.put(b"{}")
        described = [{"mediaType": "a/b", "digest": one, "size": size} for one, size in ((config, 2), (layer, 5))]
        image = msgspec.json.encode({"schemaVersion": 2, "config": described[0], "layers": described[1:]})
        inner = Descriptor(media_type=IMAGE_MANIFEST, digest=store.blobs.put(image), size=len(image))
        absent = Descriptor(media_type=IMAGE_MANIFEST, digest=f"sha256:{'0' * 64}", size=1)
        nested = msgspec.json.encode({"schemaVersion": 2, "manifests": [inner, absent]})
        outer = Descriptor(media_type=IMAGE_INDEX, digest=store.blobs.put(nested), size=len(nested))
        broken = Descriptor(media_type=IMAGE_INDEX, digest=store.blobs.put(b"[]"), size=2)
        plain = Descriptor(media_type="a/b", digest=store.blobs.put(b"plain"), size=5)
    raw = msgspec.json.decode((store.root / "index.json").read_bytes())
    raw["manifests"] += msgspec.to_builtins([outer, broken, plain])
    (store.root / "index.json").write_bytes(msgspec.json.encode(raw))
    before = blobs(store)
    assert store.collect().blobs == 0
    assert blobs(store) == before
    store.add(make_artifact(b"more"), "n")
    assert len(msgspec.json.decode((store.root / "index.json").read_bytes())["manifests"]) == 5
    assert len(store.list()) == 2
    assert encode(store._file.read()) == (store.root / "index.json").read_bytes()


def test_nothing_is_removed_while_what_is_reached_is_unknown(store: Store, make_artifact: Callable[..., Path]) -> None:
    """A damaged manifest of ours: its layers would look unneeded. Removing the artifact is the way out."""
    stored = store.add(make_artifact(), "m")
    image = store.blobs.path(stored.oci_digest)
    image.chmod(0o644)
    image.write_bytes(b"{}")
    before = blobs(store)
    with pytest.raises(FreeholdError, match="store_blob_corrupt"):
        store.collect()
    assert blobs(store) == before - {image.name}, "moved aside"
    store.remove(parse("m:1"))
    assert store.collect().blobs > 3
    assert blobs(store) == set()


def test_an_index_that_lost_its_bytes_is_no_empty_one(store: Store, make_artifact: Callable[..., Path]) -> None:
    """A new process finds a file of no bytes, as some file systems leave it when the power fails: all blobs stay."""
    store.add(make_artifact(), "m")
    before = blobs(store)
    (store.root / "index.json").write_bytes(b"")
    with pytest.raises(FreeholdError, match="store_damaged"):
        Store(store.root).collect()
    assert blobs(store) == before


def test_gc_waits_for_those_who_add(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Blobs that nothing refers to yet are theirs."""
    store.add(make_artifact(), "m")
    with shared(store.root / "lock"), pytest.raises(FreeholdError, match="store_busy"):
        store.collect(patience_s=0.05)
