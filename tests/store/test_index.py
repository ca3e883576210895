"""The index as a value, and as `index.json`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.store.index import Attached, Entry, Index, decode, encode
from freehold.store.oci import CONFIG, IMAGE_MANIFEST, Descriptor, ImageManifest, digest_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(name: str, tag: str, content: str, minute: int = 0) -> Entry:
    """An entry whose digests follow from its content."""
    digest, oci = digest_of(content.encode()), digest_of(f"oci {content}".encode())
    return Entry(name, tag, digest, oci, 100, 1000, START + timedelta(minutes=minute))


def unread(digest: str) -> ImageManifest:
    raise AssertionError(f"{digest} was read")


def test_a_tag_leads_to_one_artifact_and_moves() -> None:
    """What it led to before stays, by its digest; the first time an artifact came stays its time."""
    a, b = entry("m", "1", "a"), entry("m", "2", "b", 1)
    index = Index().with_tag(a).with_tag(b)
    moved = index.with_tag(entry("m", "1", "b", 9))
    assert moved.tags == {("m", "1"): b.digest, ("m", "2"): b.digest}
    assert [one.tag for one in moved.named("m") if one.digest == a.digest] == [""]
    assert {one.added for one in moved.named("m") if one.digest == b.digest} == {b.added}
    assert moved.with_tag(entry("m", "1", "b", 99)) is moved
    back = moved.with_tag(entry("m", "3", "a", 9))
    assert [(one.tag, one.added) for one in back.named("m") if one.digest == a.digest] == [("3", a.added)]


def test_the_newest_is_what_came_last_under_the_name() -> None:
    """A tag that was moved back to an older artifact does not make that the newest; of its tags the newest counts."""
    index = Index().with_tag(entry("m", "1", "a")).with_tag(entry("m", "2", "b", 1)).with_tag(entry("n", "1", "c", 2))
    index = index.with_tag(entry("m", "prod", "a", 3))
    assert index.newest("m") == index.tagged("m", "2")
    assert index.with_tag(entry("m", "best", "b", 4)).newest("m").tag == "best"  # type: ignore[union-attr] # it is there
    bare = index.without_tag("m", "2").without_tag("m", "1").without_tag("m", "prod")
    assert bare.newest("m").tag == ""  # type: ignore[union-attr] # it is there
    assert index.newest("absent") is None


def test_what_is_removed_takes_along_what_was_said_about_it() -> None:
    """And the signature of a report with the report; while another entry leads there, all stays."""
    one = entry("m", "1", "a")
    report = Attached(one.oci_digest, digest_of(b"report"), 10, "t/report", {})
    signature = Attached(report.digest, digest_of(b"signature"), 10, "t/signature", {})
    index = Index().with_tag(one).with_tag(entry("m", "2", "a")).with_attached(report).with_attached(signature)
    assert index.with_attached(report).attached == (signature, report)
    assert index.without([one]).attached == (report, signature)
    assert index.without(index.entries).attached == ()
    assert index.without_attached(report.digest).attached == ()
    assert index.without_attached(signature.digest).attached == (report,)


def test_the_index_is_written_and_read() -> None:
    """Without a look at the manifests; tags, times, sizes, what is attached and what is not ours."""
    other = Descriptor(media_type="application/vnd.oci.image.index.v1+json", digest=digest_of(b"x"), size=1)
    attached = Attached(entry("m", "1", "a").oci_digest, digest_of(b"r"), 10, "t/report", {"k": "v"})
    index = Index().with_tag(entry("m", "1", "a")).with_tag(entry("m", "1", "b", 1)).with_attached(attached)
    index = replace(index, others=(other,))
    assert decode(encode(index), unread) == index
    document = msgspec.json.decode(encode(index))
    assert document["schemaVersion"] == 2
    names = [one["annotations"].get("org.opencontainers.image.ref.name") for one in document["manifests"][:2]]
    assert sorted(filter(None, names)) == ["m:1"]


def image(config: str, subject: str = "") -> ImageManifest:
    about = Descriptor(media_type=IMAGE_MANIFEST, digest=subject, size=1) if subject else None
    described = Descriptor(media_type=config, digest=digest_of(b"c"), size=3)
    layer = Descriptor(media_type="a/b", digest=digest_of(b"l"), size=4)
    return ImageManifest(schema_version=2, config=described, layers=(layer,), subject=about, annotations={"k": "v"})


def told(annotations: dict[str, str]) -> bytes:
    manifests = [{"mediaType": IMAGE_MANIFEST, "digest": digest_of(b"m"), "size": 9, "annotations": annotations}]
    return msgspec.json.encode({"schemaVersion": 2, "manifests": manifests})


def test_what_other_tools_copied_in_is_understood() -> None:
    """By its manifest: an artifact of ours under its ref name, what has a subject, and anything else left alone."""
    ref = {"org.opencontainers.image.ref.name": "m:7"}
    found = decode(told(ref), lambda digest: image(CONFIG)).entries
    assert [(one.name, one.tag, one.digest, one.size) for one in found] == [("m", "7", digest_of(b"c"), 7)]
    bare = decode(told({"org.opencontainers.image.ref.name": "m"}), lambda digest: image(CONFIG)).entries
    assert [(one.name, one.tag) for one in bare] == [("m", "latest")]
    attached = decode(told({}), lambda digest: image("t/signature", digest_of(b"s"))).attached
    assert attached == (Attached(digest_of(b"s"), digest_of(b"m"), 9, "t/signature", {"k": "v"}),)
    foreign = decode(told(ref), lambda digest: image("application/vnd.oci.image.config.v1+json"))
    assert (foreign.entries, [one.digest for one in foreign.others]) == ((), [digest_of(b"m")])

    def absent(digest: str) -> ImageManifest:
        raise FreeholdError("store_blob_missing", digest=digest, path="p")

    assert len(decode(told(ref), absent).others) == 1
    half = ref | {"vnd.freehold.name": "m", "vnd.freehold.digest": "d", "vnd.freehold.size": "many"}
    assert len(decode(told(half | {"org.opencontainers.image.created": "?"}), lambda _: image(CONFIG)).entries) == 1
    dated = half | {"vnd.freehold.size": "7", "org.opencontainers.image.created": "yesterday"}
    assert len(decode(told(dated), lambda _: image(CONFIG)).entries) == 1
    early = half | {"vnd.freehold.size": "7", "org.opencontainers.image.created": "2025-12-31"}
    (bare_date,) = decode(told(early), unread).entries
    assert bare_date.added < START


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"schemaVersion": 2, "manifests": [{"digest": 1}]}', b"\xff"])
def test_what_is_no_index_is_said(raw: bytes) -> None:
    """By the parser of JSON."""
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        decode(raw, unread)


NAMES, TAGS, CONTENTS = st.sampled_from("mn"), st.sampled_from(["1", "2", "prod"]), st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(["tag", "untag", "remove"]), NAMES, TAGS, CONTENTS), max_size=25)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_tags_behave_as_a_dictionary(steps: list[tuple[str, str, str, str]]) -> None:
    """Whatever is tagged, untagged and removed: tags lead where they were put, and no artifact is lost unasked."""
    index, tags, there = Index(), {}, set()
    for minute, (what, name, tag, content) in enumerate(steps):
        one = entry(name, tag, content, minute)
        if what == "tag":
            index = index.with_tag(one)
            tags[name, tag] = one.digest
            there.add((name, one.digest))
        elif what == "untag":
            index = index.without_tag(name, tag)
            tags.pop((name, tag), None)
        else:
            gone: list[Any] = [each for each in index.named(name) if each.digest == one.digest]
            index = index.without(gone)
            tags = {key: digest for key, digest in tags.items() if (key[0], digest) != (name, one.digest)}
            there.discard((name, one.digest))
        assert index.tags == tags
        assert {(each.name, each.digest) for each in index.entries} == there
        keys = [(each.name, each.tag, each.digest) for each in index.entries]
        assert len(keys) == len(set(keys))
        assert not any(each.tag == "" and (each.name, each.digest) in tagged(index) for each in index.entries)
        assert decode(encode(index), unread) == index


def tagged(index: Index) -> set[tuple[str, str]]:
    return {(each.name, each.digest) for each in index.entries if each.tag}
