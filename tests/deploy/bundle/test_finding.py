"""Where images come from, and which of several platforms."""

import pytest

from freehold.errors import FreeholdError

from .made import Site, layer, push_image, push_index


def test_one_platform_of_an_index_keeps_both_digests(site: Site) -> None:
    """The one of its own manifest, whose bytes are the registry's, and as a note that of the index."""
    index = push_index(site.repository("team/index"), "1", {"amd64": [layer("x")], "arm64": [layer("y")]})
    found = site.finder().find("team/index:1")
    fetched = site.repository("team/index").manifest(found.image.digest)
    assert fetched is not None
    assert found.manifests == (fetched.raw,)
    assert (found.image.index, found.image.source) == (index, f"{site.registry}/team/index")
    assert found.image.id == found.blobs[0].digest


def test_a_name_with_a_digest_is_taken_by_it(site: Site) -> None:
    """Whatever its tag means by now."""
    old = site.push("team/moved", "1", "old")
    new = site.push("team/moved", "1", "new")
    assert site.finder().find(f"team/moved:1@{old}").image.digest == old
    assert site.finder().find("team/moved:1").image.digest == new


def test_what_is_not_there_or_not_for_that_platform(site: Site) -> None:
    """An image alone tells its platform in its configuration."""
    push_image(site.repository("team/arm"), "1", [layer("a")], "arm64")
    push_index(site.repository("team/both"), "1", {"amd64": [layer("x")], "arm64": [layer("y")]})
    for name, platform, code, known in (
        ("team/none:1", "linux/amd64", "bundle_image_unknown", None),
        ("team/arm:1", "linux/amd64", "bundle_platform_missing", "linux/arm64"),
        ("team/both:1", "linux/s390x", "bundle_platform_missing", "linux/amd64, linux/arm64/v8"),
    ):
        with pytest.raises(FreeholdError) as caught:
            site.finder(platform).find(name)
        assert (caught.value.code, caught.value.details.get("known")) == (code, known)
    assert site.finder("all").find("team/arm:1").image.index == ""
