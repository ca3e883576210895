"""Platforms of images."""

import json

from freehold.deploy.bundle.platforms import Member, Platform, chosen, is_index, known


def member(digest: str, *words: str) -> Member:
    """One of architecture, system and variant."""
    return Member(digest, Platform(*words))


def test_a_variant_that_needs_no_name_is_meant() -> None:
    """arm64 is its v8; arm has no such one; `all` is anything."""
    members = (member("a", "amd64", "linux"), member("b", "arm64", "linux", "v8"), member("c", "arm", "linux", "v7"))
    wanted = ("linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v7", "linux/arm", "linux/s390x")
    found = [chosen(members, one) for one in wanted]
    assert [one.digest if one else "" for one in found] == ["a", "b", "b", "c", "", ""]


def test_what_is_no_image_is_never_shown() -> None:
    """An index names attestations as of an unknown platform."""
    members = (member("a", "amd64", "linux"), member("x", "unknown", "unknown"))
    assert known(members) == "linux/amd64"
    assert known(members[1:]) == "-"


def test_an_index_is_told_from_an_image_by_what_it_has() -> None:
    """Whatever its media type says, and nothing that is no JSON is one."""
    assert is_index(json.dumps({"manifests": []}).encode())
    assert not is_index(json.dumps({"config": {}, "layers": []}).encode())
    assert not is_index(b"letters")
