"""Pulling from a real registry: what comes, what is verified, and what happens when the connection is cut."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from freehold.artifact import write_manifest
from freehold.config import parse
from freehold.errors import FreeholdError
from freehold.store import Store, Stored, oci
from freehold.store.registry.client import Repository
from freehold.store.registry.content import BytesContent
from freehold.store.registry.meter import Meter
from freehold.store.registry.pull import newest_tag, pull
from freehold.store.registry.push import push
from freehold.store.registry.upload import upload
from tests.docker_registry import Relay, silent

Open = Callable[..., Repository]
KILLER = Path(__file__).with_name("killed_pulls.py")


@pytest.fixture
def pushed(store: Store, stored: Stored, repository: Repository) -> Stored:
    """The artifact under the tag 1."""
    push(store, stored, repository, "1", silent)
    return stored


@pytest.fixture
def pushed_large(store: Store, large: Stored, repository: Repository) -> Stored:
    """20 MB under the tag 1."""
    push(store, large, repository, "1", silent)
    return large


def test_it_arrives_whole_with_its_reports(pushed: Stored, repository: Repository, elsewhere: Store) -> None:
    """Another machine has the same artifact, by both digests, with its report, and can open it."""
    done = pull(elsewhere, repository, "1", "m", "1", silent)
    assert (done.stored.digest, done.stored.oci_digest) == (pushed.digest, pushed.oci_digest)
    assert [sorted(one.files) for one in elsewhere.referrers(done.stored)] == [["report.json"]]
    assert (elsewhere.path_of(done.stored) / "README.md").read_text() == "A model."
    assert elsewhere.find(parse("m:1")).digest == pushed.digest


def test_a_second_pull_fetches_nothing(pushed: Stored, repository: Repository, elsewhere: Store) -> None:
    """What is here is not fetched again, reports included."""
    pull(elsewhere, repository, "1", "m", "1", silent)
    again = pull(elsewhere, repository, "1", "m", "1", silent)
    assert (again.moved, again.received, again.referrers) == (0, 0, 0)


def test_only_the_changed_file_comes(
    pushed_large: Stored,
    store: Store,
    make_artifact: Callable[..., Path],
    weights: bytes,
    relay: Relay,
    opened: Open,
    elsewhere: Store,
) -> None:
    """Of a model of which one file changed the wire carries that file, and one percent more at most."""
    pull(elsewhere, opened(relay.host), "1", "m", "1", silent)
    folder = make_artifact(weights)
    (folder / "tokenizer.json").write_bytes(weights[:1_000_000])
    (folder / "manifest.json").unlink()
    write_manifest(folder, pushed_large.manifest)
    changed = store.add(folder, "m")
    push(store, changed, opened(relay.host), "2", silent)
    relay.down = 0
    done = pull(elsewhere, opened(relay.host), "2", "m", "2", silent)
    blobs = 1_000_000 + len(store.blobs.read(changed.digest))
    assert done.moved == blobs
    assert relay.down < blobs * 1.01


def test_a_cut_is_resumed_where_it_was(pushed_large: Stored, relay: Relay, opened: Open, elsewhere: Store) -> None:
    """Three cuts within the weights, and no byte of content comes twice."""
    relay.cut_after("down", 5_000_000, times=3)
    done = pull(elsewhere, opened(relay.host), "1", "m", "1", silent)
    assert done.stored.digest == pushed_large.digest
    assert done.moved == pushed_large.size + len(b'{"score": 1}')  # the empty config is there: the golden is `{}` too
    assert relay.down < done.moved * 1.01


def test_a_pull_that_was_given_up_is_resumed_by_the_next(
    pushed_large: Stored, relay: Relay, opened: Open, elsewhere: Store
) -> None:
    """When the registry goes away the pull fails without a name in the store, and what came is used later."""
    relay.die_after("down", 8_000_000)
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, opened(relay.host), "1", "m", "1", silent)
    assert raised.value.code == "registry_unreachable"
    assert elsewhere.list() == []
    relay.touch, relay.down = None, 0
    done = pull(elsewhere, opened(relay.host), "1", "m", "1", silent)
    assert done.stored.digest == pushed_large.digest
    assert relay.down < 13_000_000


def test_what_is_flipped_on_the_way_is_never_kept(pushed: Stored, relay: Relay, opened: Open, elsewhere: Store) -> None:
    """A byte that changes in a file is an error that names both digests, and leaves nothing behind."""
    relay.flip(b"A model.")
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, opened(relay.host), "1", "m", "1", silent)
    assert raised.value.code == "registry_digest_wrong"
    assert elsewhere.list() == []
    relay.touch = None
    assert pull(elsewhere, opened(relay.host), "1", "m", "1", silent).stored.digest == pushed.digest


def test_a_wrong_manifest_is_never_believed(pushed: Stored, relay: Relay, opened: Open, elsewhere: Store) -> None:
    """By digest or by tag: what came is compared before it is read."""
    relay.flip(b'"schemaVersion":2')
    for reference in ("1", pushed.oci_digest):
        with pytest.raises(FreeholdError) as raised:
            pull(elsewhere, opened(relay.host), reference, "m", "1", silent)
        assert raised.value.code == "registry_digest_wrong"


def test_leftovers_that_are_no_beginning_are_dropped(pushed: Stored, repository: Repository, elsewhere: Store) -> None:
    """Bytes of an earlier process that do not belong to the file cost a second download, not the pull."""
    weights = pushed.manifest.files["model.onnx"]
    with elsewhere.writing():
        (elsewhere.blobs.incoming / f"{weights.sha256}.part").write_bytes(b"\0" * 3_000_000)
        (elsewhere.blobs.incoming / f"{pushed.manifest.files['README.md'].sha256}.part").write_bytes(b"x" * 1000)
    assert pull(elsewhere, repository, "1", "m", "1", silent).stored.digest == pushed.digest
    assert list(elsewhere.blobs.incoming.iterdir()) == []


def test_by_digest_it_gets_the_next_number(pushed: Stored, repository: Repository, elsewhere: Store) -> None:
    """An OCI digest names no tag, so the store counts."""
    assert pull(elsewhere, repository, pushed.oci_digest, "m", "", silent).stored.ref == "m:1"


def test_what_is_not_there_is_said_with_what_is(pushed: Stored, repository: Repository, elsewhere: Store) -> None:
    """A wrong tag is answered by the right ones, without the tags that keep referrers."""
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, repository, "9", "m", "9", silent)
    assert raised.value.code == "registry_nothing_there"
    assert raised.value.details["tags"] == "1"


def test_what_is_no_artifact_of_ours_is_refused(repository: Repository, elsewhere: Store) -> None:
    """An image of somebody else's is named as such before a byte of it comes."""
    upload(repository, BytesContent(b"{}"), Meter("", silent))
    config = oci.describe(b"{}", "application/vnd.oci.image.config.v1+json")
    image = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": oci.IMAGE_MANIFEST,
            "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
            "layers": [],
        }
    ).encode()
    repository.put_manifest("other", image, oci.IMAGE_MANIFEST)
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, repository, "other", "m", "1", silent)
    assert raised.value.code == "registry_not_artifact"


@pytest.mark.parametrize(
    "file", ["../../evil", "/etc/evil", "a/../../evil", "manifest.json", "signatures/x.json", "a\nb", "a//b"]
)
def test_names_that_lead_elsewhere_are_refused(
    store: Store, make_artifact: Callable[..., Path], repository: Repository, elsewhere: Store, file: str
) -> None:
    """A registry may hold anybody's manifest: a file is never written outside the folder of its artifact."""
    stored = store.add(make_artifact(b"evil"), "m")
    push(store, stored, repository, "1", silent)
    files = {file: stored.manifest.files["model.onnx"]}
    manifest = msgspec.structs.replace(stored.manifest, files=files)
    raw = msgspec.json.encode(manifest)
    upload(repository, BytesContent(raw), Meter("", silent))
    repository.put_manifest("evil", oci.image_of(raw, manifest), oci.IMAGE_MANIFEST)
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, repository, "evil", "m", "1", silent)
    assert raised.value.code == "registry_not_artifact"
    assert elsewhere.list() == []
    with store.writing():
        store.blobs.put(raw)
        with pytest.raises(FreeholdError) as raised:
            store.admit(oci.image_of(raw, manifest), "m", "2")
    assert raised.value.code == "store_not_artifact"


def test_without_a_tag_the_newest_number_is_meant(
    pushed: Stored, store: Store, repository: Repository, opened: Open, registry: str
) -> None:
    """Numbers count as numbers; `latest` goes first nowhere, and words alone are an error that lists them."""
    push(store, pushed, repository, "10", silent)
    push(store, pushed, repository, "9", silent)
    assert newest_tag(repository) == "10"
    words = opened(registry, "only/words")
    push(store, pushed, words, "stable", silent)
    with pytest.raises(FreeholdError) as raised:
        newest_tag(words)
    assert raised.value.code == "registry_tag_wanted"
    push(store, pushed, words, "latest", silent)
    assert newest_tag(words) == "latest"
    assert newest_tag(opened(registry, "not/there")) == "latest"


def test_no_room_on_disk_is_said_before_it_begins(
    pushed_large: Stored, repository: Repository, elsewhere: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that would fill the disk ends before the first file."""
    usage = shutil.disk_usage(elsewhere.root.parents[1])
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10_000_000))
    with pytest.raises(FreeholdError) as raised:
        pull(elsewhere, repository, "1", "m", "1", silent)
    assert raised.value.code == "store_full"
    assert elsewhere.list() == []


def killed(registry: str, name: str, root: Path, times: int) -> None:
    """`times` pulls killed at random points leave a store in order each time, and then one completes."""
    command = [sys.executable, str(KILLER), f"{registry}/{name}", str(root), str(times)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["tries"] == times
    assert told["killed"] > 0
    assert told["problems"] == []
    assert told["digest"].startswith("sha256:")


def test_a_kill_at_any_point_leaves_a_good_store(
    pushed: Stored, registry: str, repository: Repository, tmp_path: Path
) -> None:
    """Twenty pulls are killed with SIGKILL; the store is never broken, and the next pull completes."""
    killed(registry, repository.name, tmp_path / "killed", 20)


@pytest.mark.soak
def test_two_hundred_kills(pushed_large: Stored, registry: str, repository: Repository, tmp_path: Path) -> None:
    """As above, two hundred times."""
    killed(registry, repository.name, tmp_path / "killed", 200)
