"""What a bundle says of itself."""

import json

import pytest

from freehold.deploy.bundle.manifest import File, Image, Manifest, decode, unsafe
from freehold.errors import FreeholdError

GOOD = Manifest(
    version=1,
    freehold="0.1.0",
    platform="linux/amd64",
    images=(Image("redis:7", "sha256:1", "type", "docker.io/library/redis"),),
    files={"freehold.yaml": File("0" * 64, 3)},
)


def test_a_manifest_reads_as_it_was_written() -> None:
    """And its bytes do not depend on the order in which files came."""
    assert decode(GOOD.encode(), "b") == GOOD
    files = {"a": File("1" * 64, 1), "b": File("2" * 64, 2)}
    one = Manifest(version=1, freehold="0", platform="all", files=files)
    other = Manifest(version=1, freehold="0", platform="all", files=dict(reversed(files.items())))
    assert one.encode() == other.encode()


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ({"version": 2}, "manifest.json"),
        ({"files": {"../a": {"sha256": "0" * 64, "size": 1}}}, "../a"),
        ({"files": {"a": {"sha256": "0" * 63, "size": 1}}}, "a"),
        ({"files": {"a": {"sha256": "0" * 64, "size": -1}}}, "a"),
        ({"files": {"blobs/sha256/" + "1" * 64: {"sha256": "0" * 64, "size": 1}}}, "blobs/sha256/" + "1" * 64),
        ({"images": [{"name": 1}]}, "manifest.json"),
        ({"images": [{"name": "--help", "digest": "", "media_type": "", "source": ""}]}, "--help"),
        ({"files": {}}, "freehold.yaml"),
    ],
)
def test_a_wrong_manifest_is_refused_by_the_entry(change: dict[str, object], entry: str) -> None:
    """Another version, a name that leads out, a digest that is none, a blob of another name, an option as an
    image, no configuration."""
    document = json.loads(GOOD.encode()) | change
    with pytest.raises(FreeholdError) as caught:
        decode(json.dumps(document).encode(), "b")
    assert caught.value.code == ("bundle_incomplete" if entry == "freehold.yaml" else "bundle_invalid")
    assert caught.value.details["entry"] == entry


@pytest.mark.parametrize("raw", [b"", b"[" * 100_000, b"\xff", b"{}"])
def test_what_is_no_manifest_is_refused(raw: bytes) -> None:
    """However it is broken."""
    with pytest.raises(FreeholdError) as caught:
        decode(raw, "b")
    assert caught.value.code == "bundle_invalid"


def test_names_have_one_spelling_and_stay_inside() -> None:
    """What may be a name, and what not."""
    assert not any(map(unsafe, ("a", "a/b.c", "models/组织/模型 1", "..a/b..")))
    assert all(map(unsafe, ("", ".", "..", "/a", "a/", "./a", "a//b", "a/../b", "a\x00", "a\\b", "a" * 300, "\udcff")))
