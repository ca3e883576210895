"""A store from the outside: what is put in is found again, by whoever looks."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from freehold.artifact import Artifact
from freehold.config import Source, parse
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.oci import REPORT, describe, image_of, referrer_of

MakeArtifact = Callable[..., Path]


def test_an_artifact_is_added_and_found(store: Store, make_artifact: MakeArtifact) -> None:
    """By tag, by digest, and by its name alone; the layout is one that OCI tools read."""
    folder = make_artifact(license="mit")
    stored = store.add(folder, "bge-m3")
    artifact = Artifact.open(folder)
    assert (stored.ref, stored.digest) == ("bge-m3:1", artifact.digest)
    assert stored.manifest == artifact.manifest
    assert stored.size == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    for text in ("bge-m3:1", f"bge-m3@{stored.digest}", f"bge-m3:1@{stored.digest}"):
        assert store.find(parse(text)) == stored
    assert store.find(Source("store", "bge-m3")) == stored
    assert Store(store.root).list() == [stored]
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (described,) = json.loads((store.root / "index.json").read_bytes())["manifests"]
    assert described["annotations"]["org.opencontainers.image.ref.name"] == "bge-m3:1"
    image = json.loads(store.blobs.read(described["digest"]))
    assert image["config"]["digest"] == stored.digest


def test_numbers_count_what_came(store: Store, make_artifact: MakeArtifact) -> None:
    """The same artifact gets no second number, and a number that was given never means another artifact."""
    one, two, three = make_artifact(b"1"), make_artifact(b"2"), make_artifact(b"3")
    assert [store.add(folder, "m").tag for folder in (one, one, two, one)] == ["1", "1", "2", "1"]
    store.remove(parse("m:2"))
    assert store.add(three, "m").tag == "3"
    assert store.add(three, "other").tag == "1"
    assert store.add(two, "m", "prod").ref == "m:prod"
    assert store.add(two, "m").ref == "m:prod"
    store.untag("m", "prod")
    assert store.add(two, "m").ref == "m:4"


def test_a_tag_moves_with_its_history(store: Store, make_artifact: MakeArtifact) -> None:
    """Who moved it when, from which digest; what it left is still there by its digest."""
    a, b = store.add(make_artifact(b"a"), "m"), store.add(make_artifact(b"b"), "m")
    assert store.tag(parse("m:1"), "prod").digest == a.digest
    assert store.tag(parse("m:2"), "prod").digest == b.digest
    assert store.tag(parse("m:prod"), "live", "served").ref == "served:live"
    assert store.untag("m", "prod") == b.digest
    assert [(one.before, one.after) for one in store.history("m", "prod")] == [
        ("", a.digest),
        (a.digest, b.digest),
        (b.digest, ""),
    ]
    assert [one.tag for one in store.history("m")] == ["1", "2", "prod", "prod", "prod"]
    assert [one.after for one in store.history("served")] == [b.digest]
    store.untag("m", "1")
    assert store.find(parse(f"m@{a.digest}")).ref == f"m@{a.digest}"


def test_removing_takes_a_tag_or_an_artifact(store: Store, make_artifact: MakeArtifact) -> None:
    """By tag that tag; by digest all tags of the name, and of no other."""
    stored = store.add(make_artifact(), "m")
    store.tag(parse("m:1"), "prod")
    store.tag(parse("m:1"), "1", "copy")
    assert [entry.tag for entry in store.remove(parse("m:prod"))] == ["prod"]
    store.tag(parse("m:1"), "prod")
    assert {entry.tag for entry in store.remove(parse(f"m@{stored.digest}"))} == {"1", "prod"}
    assert [one.ref for one in store.list()] == ["copy:1"]


@pytest.mark.parametrize(
    ("text", "code", "known"),
    [
        ("n:1", "store_name_unknown", "m"),
        ("m:9", "store_tag_unknown", "1"),
        (f"m@sha256:{'0' * 64}", "store_digest_unknown", "sha256:"),
    ],
)
def test_what_is_not_there_says_what_is(
    store: Store, make_artifact: MakeArtifact, text: str, code: str, known: str
) -> None:
    """For every verb that takes a reference."""
    store.add(make_artifact(), "m")
    for verb in (store.find, store.remove, lambda source: store.tag(source, "x")):
        with pytest.raises(FreeholdError, match=code) as told:
            verb(parse(text))
        assert known in told.value.cause


def test_an_empty_store_is_no_error_until_something_is_wanted(store: Store) -> None:
    """Nothing is written by looking."""
    assert store.list() == []
    assert store.history("m") == []
    with pytest.raises(FreeholdError, match="store_name_unknown"):
        store.find(parse("m:1"))
    assert not store.root.exists()


@pytest.mark.parametrize("name", ["", "-m", "a/b", "a b", "m.", "x" * 129, "模型"])
def test_names_and_tags_are_such_that_references_can_have_them(
    store: Store, make_artifact: MakeArtifact, name: str
) -> None:
    """Refused before anything is written."""
    folder = make_artifact()
    with pytest.raises(FreeholdError, match="store_name_invalid"):
        store.add(folder, name)
    if name not in ("", "m.", "x" * 129):
        with pytest.raises(FreeholdError, match="store_tag_invalid"):
            store.add(folder, "m", name)
    assert not store.root.exists()


def test_a_folder_that_is_not_what_its_manifest_says_is_refused(store: Store, make_artifact: MakeArtifact) -> None:
    """By size at once, by content while it is copied; the store has nothing of it then."""
    folder = make_artifact(b"weights")
    (folder / "model.onnx").write_bytes(b"weightz")
    with pytest.raises(FreeholdError, match="artifact_corrupt"):
        store.add(folder, "m")
    (folder / "model.onnx").write_bytes(b"less")
    with pytest.raises(FreeholdError, match="artifact_corrupt"):
        store.add(folder, "m")
    with pytest.raises(FreeholdError, match="artifact_invalid"):
        store.add(folder.parent, "m")
    assert store.list() == []
    store.collect()
    assert list(store.blobs.folder.iterdir()) == []


def test_reports_are_attached_and_read(store: Store, make_artifact: MakeArtifact) -> None:
    """Once each, by type, in the order of coming; what is attached to them too; gone when they are detached."""
    stored = store.add(make_artifact(), "m")
    first = store.attach(stored, REPORT, {"report.json": b'{"cosine": 1}'}, {"by": "me"})
    assert store.attach(stored, REPORT, {"report.json": b'{"cosine": 1}'}, {"by": "me"}) == first
    second = store.attach(stored, "t/evaluation", {"a.txt": b"a", "b.txt": b"b"})
    reports, everything = store.referrers(stored, REPORT), store.referrers(stored)
    assert [one.digest for one in everything] == [first, second]
    assert [one.annotations for one in reports] == [{"by": "me"}]
    assert store.blobs.read(reports[0].files["report.json"].digest) == b'{"cosine": 1}'
    assert set(everything[1].files) == {"a.txt", "b.txt"}
    about = describe(store.blobs.read(first), "application/vnd.oci.image.manifest.v1+json")
    with store.writing():
        said = store.admit_referrer(referrer_of(about, "t/signature", (), {}))
    assert [one.digest for one in store.referrers(first)] == [said]
    store.detach(first)
    assert [one.digest for one in store.referrers(stored)] == [second]
    assert store.referrers(first) == []


def test_referrers_need_a_subject_and_their_content(store: Store, make_artifact: MakeArtifact) -> None:
    """Else they would be seen by nobody, or break whoever reads them."""
    stored = store.add(make_artifact(), "m")
    image = store.blobs.read(stored.oci_digest)
    about = describe(image, "application/vnd.oci.image.manifest.v1+json")
    elsewhere = describe(b"elsewhere", "a/b")
    with store.writing():
        with pytest.raises(FreeholdError, match="store_not_artifact"):
            store.admit_referrer(image)
        with pytest.raises(FreeholdError, match="store_not_artifact"):
            store.admit_referrer(b"[]")
        with pytest.raises(FreeholdError, match="store_blob_missing"):
            store.admit_referrer(referrer_of(about, "t/x", (describe(b"absent", "a/b"),), {}))
        store.blobs.put(b"{}")
        with pytest.raises(FreeholdError, match="store_subject_unknown"):
            store.admit_referrer(referrer_of(elsewhere, "t/x", (), {}))
    assert store.referrers(stored) == []


def test_an_image_is_admitted_when_all_of_it_is_here(store: Store, make_artifact: MakeArtifact) -> None:
    """As a pull does it: blobs first; one that is missing, or layers that are not the manifest's, are refused."""
    folder = make_artifact()
    artifact = Artifact.open(folder)
    raw = (folder / "manifest.json").read_bytes()
    image = image_of(raw, artifact.manifest)
    with store.writing():
        with pytest.raises(FreeholdError, match="store_blob_missing"):
            store.admit(image, "m")
        store.blobs.put(raw)
        with pytest.raises(FreeholdError, match="store_blob_missing"):
            store.admit(image, "m")
        for name in artifact.manifest.files:
            store.blobs.put((folder / name).read_bytes())
        document = msgspec.json.decode(image)
        document["layers"].pop()
        with pytest.raises(FreeholdError, match="store_not_artifact"):
            store.admit(msgspec.json.encode(document), "m")
        with pytest.raises(FreeholdError, match="store_not_artifact"):
            store.admit(b"{}", "m")
        assert store.admit(image, "m", "pulled").digest == artifact.digest


def test_a_manifest_of_another_version_is_no_artifact_here(store: Store, make_artifact: MakeArtifact) -> None:
    """Neither one that cannot be read nor one of a schema to come."""
    folder = make_artifact()
    document = msgspec.json.decode((folder / "manifest.json").read_bytes())
    manifest = Artifact.open(folder).manifest
    for strange in ({**document, "schema": 2}, {**document, "kind": "oracle"}):
        raw = msgspec.json.encode(strange)
        with store.writing():
            store.blobs.put(raw)
            with pytest.raises(FreeholdError, match="store_not_artifact"):
                store.admit(image_of(raw, manifest), "m")


def test_one_damaged_artifact_hides_no_other(
    store: Store, make_artifact: MakeArtifact, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log with its fix, can be removed, and added again."""
    sound, folder = store.add(make_artifact(b"a"), "m"), make_artifact(b"b")
    damaged = store.add(folder, "m")
    blob = store.blobs.path(damaged.digest)
    blob.chmod(0o644)
    blob.write_bytes(b"{}")
    fresh = Store(store.root)
    assert fresh.list() == [sound]
    assert "m:2" in caplog.text
    assert "Add or pull the artifact again" in caplog.text
    assert fresh.add(folder, "m").ref == "m:2"
    assert len(Store(store.root).list()) == 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("index.json", b"{"),
        ("index.json", b"\xff"),
        ("oci-layout", b"[]"),
        ("oci-layout", b'{"imageLayoutVersion":"2"}'),
    ],
)
def test_a_layout_that_cannot_be_understood_is_left_alone(
    store: Store, make_artifact: MakeArtifact, file: str, content: bytes
) -> None:
    """Every verb says so; none writes over it."""
    store.add(make_artifact(), "m")
    (store.root / file).write_bytes(content)
    other = make_artifact(b"other")
    fresh = Store(store.root)
    for verb in (fresh.list, fresh.collect, lambda: fresh.find(parse("m:1")), lambda: fresh.add(other, "n")):
        with pytest.raises(FreeholdError, match="store_damaged"):
            verb()
    assert (store.root / file).read_bytes() == content


def test_what_another_process_changes_is_seen_at_once(store: Store, make_artifact: MakeArtifact) -> None:
    """A store that is warm reads the index anew when its bytes are others."""
    watching = Store(store.root)
    for number in range(1, 4):
        store.add(make_artifact(str(number).encode()), "m")
        assert [one.tag for one in watching.list()] == [str(each) for each in range(1, number + 1)]
    store.remove(parse("m:2"))
    assert [one.tag for one in watching.list()] == ["1", "3"]


FULL = """
import resource, signal, sys
from pathlib import Path
from freehold.errors import FreeholdError
from freehold.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    Store(Path(sys.argv[1])).add(Path(sys.argv[2]), "m")
except FreeholdError as error:
    print(error.code)
"""


@pytest.mark.parametrize("limit", [100, 1000])
def test_a_full_disk_leaves_the_store_as_it_was(store: Store, make_artifact: MakeArtifact, limit: int) -> None:
    """A file that may grow no further stands for a disk without room: in a blob, or later in the index."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    store.add(make_artifact(b"first"), "m")
    before = (store.root / "index.json").read_bytes()
    folder = make_artifact(b"x" * (limit + 1))
    command = [sys.executable, "-c", FULL, str(store.root), str(folder), str(limit)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == ["store_full"], ran.stderr
    assert (store.root / "index.json").read_bytes() == before
    assert list(store.blobs.incoming.iterdir()) == []
    assert Store(store.root).add(folder, "m").ref == "m:2"
