"""What is said about an artifact in registries with and without the referrers API, by one and by many at once."""

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.store import Store, Stored, oci
from freehold.store.registry.client import Repository
from freehold.store.registry.pull import pull
from freehold.store.registry.push import push
from freehold.store.registry.referrers import list_referrers, put_referrer
from tests.docker_registry import Direction, Relay, silent
from tests.modern_registry import modern_front

Open = Callable[..., Repository]
SIGNERS = Path(__file__).with_name("signers_at_once.py")


@pytest.fixture
def subject(store: Store, make_artifact: Callable[..., Path], repository: Repository) -> str:
    """The OCI digest of a small artifact in the repository, without anything said about it yet."""
    return push(store, store.add(make_artifact(), "m"), repository, "1", silent).oci_digest


def statement(subject: str, text: str) -> bytes:
    """A referrer without content but its annotation. The config that all of them share was never pushed."""
    about = oci.Descriptor(media_type=oci.IMAGE_MANIFEST, digest=subject, size=1)
    return oci.referrer_of(about, "application/vnd.test", (), {"said": text})


def said(repository: Repository, subject: str) -> list[str]:
    """What is said, in order of the alphabet."""
    return sorted(one.annotations["said"] for one in list_referrers(repository, subject))


def index_of(registry: str, repository: Repository, subject: str) -> list[str]:
    """The digests in the index of the fallback tag, as any other client reads it."""
    url = f"http://{registry}/v2/{repository.name}/manifests/{subject.replace(':', '-')}"
    request = urllib.request.Request(url, headers={"Accept": oci.IMAGE_INDEX})
    with urllib.request.urlopen(request) as answer:
        return sorted(one["digest"] for one in json.load(answer)["manifests"])


def test_nothing_said_is_nothing(repository: Repository, subject: str) -> None:
    """An artifact about which nobody has said anything has no referrers."""
    assert list_referrers(repository, subject) == []


def test_the_fallback_lists_type_and_annotations(repository: Repository, subject: str, registry: str) -> None:
    """Without the API the index under `sha256-<hex>` has each referrer with what the specification wants of it."""
    raw = statement(subject, "good")
    put_referrer(repository, subject, raw)
    (one,) = list_referrers(repository, subject)
    assert (one.digest, one.size, one.artifact_type) == (oci.digest_of(raw), len(raw), "application/vnd.test")
    assert one.annotations == {"said": "good"}
    assert index_of(registry, repository, subject) == [oci.digest_of(raw)]


def test_the_api_is_used_where_it_is(
    store: Store, stored: Stored, registry: str, opened: Open, elsewhere: Store
) -> None:
    """A registry of specification 1.1 gets no tags of ours, and its list is what a pull follows."""
    with modern_front(registry) as front:
        repository = opened(front.host)
        assert push(store, stored, repository, "1", silent).referrers == 1
        assert repository.tags() == ["1"]
        done = pull(elsewhere, repository, "1", "m", "1", silent)
    assert [sorted(one.files) for one in elsewhere.referrers(done.stored)] == [["report.json"]]


def test_what_is_said_about_a_report_travels_too(
    store: Store, stored: Stored, repository: Repository, elsewhere: Store
) -> None:
    """A referrer may have referrers: the signature of a report arrives with it."""
    (report,) = store.referrers(stored)
    about = oci.Descriptor(media_type=oci.IMAGE_MANIFEST, digest=report.digest, size=1)
    with store.writing():
        store.admit_referrer(oci.referrer_of(about, "application/vnd.test", (), {"said": "seen"}))
    assert push(store, stored, repository, "1", silent).referrers == 2
    assert pull(elsewhere, repository, "1", "m", "1", silent).referrers == 2
    assert [one.annotations for one in elsewhere.referrers(report.digest)] == [{"said": "seen"}]


def test_entries_of_other_clients_stay(repository: Repository, subject: str) -> None:
    """An index that another tool keeps under the fallback tag is added to, not replaced."""
    other = statement(subject, "other")
    repository.put_manifest(oci.digest_of(other), other, oci.IMAGE_MANIFEST)
    entry = {"mediaType": oci.IMAGE_MANIFEST, "digest": oci.digest_of(other), "size": len(other)}
    entry |= {"artifactType": "application/vnd.test", "annotations": {"said": "other"}}
    index = json.dumps({"schemaVersion": 2, "mediaType": oci.IMAGE_INDEX, "manifests": [entry]}).encode()
    repository.put_manifest(subject.replace(":", "-"), index, oci.IMAGE_INDEX)
    put_referrer(repository, subject, statement(subject, "ours"))
    assert said(repository, subject) == ["other", "ours"]


def test_a_deleted_referrer_leaves_the_index(repository: Repository, subject: str) -> None:
    """What was deleted from the registry does not keep the next writer from writing."""
    first = statement(subject, "first")
    put_referrer(repository, subject, first)
    repository.ask("DELETE", f"manifests/{oci.digest_of(first)}", fine=frozenset({202}))
    put_referrer(repository, subject, statement(subject, "second"))
    assert said(repository, subject) == ["second"]


def test_a_lost_index_is_made_anew(repository: Repository, subject: str, registry: str) -> None:
    """An index that another writer emptied: nothing is lost for our readers, and the next writer completes it."""
    put_referrer(repository, subject, statement(subject, "first"))
    empty = json.dumps({"schemaVersion": 2, "mediaType": oci.IMAGE_INDEX, "manifests": []}).encode()
    repository.put_manifest(subject.replace(":", "-"), empty, oci.IMAGE_INDEX)
    assert said(repository, subject) == ["first"]
    put_referrer(repository, subject, statement(subject, "second"))
    assert len(index_of(registry, repository, subject)) == 2


def test_a_writer_that_was_overtaken_repairs_the_index(
    repository: Repository, subject: str, registry: str, relay: Relay, opened: Open
) -> None:
    """One writer stands still between reading the index and writing it, while another does its whole work."""
    reached, may_go = threading.Event(), threading.Event()

    def halt(way: Direction, data: bytes) -> tuple[bytes, bool]:
        index = f"PUT /v2/{repository.name}/manifests/{subject.replace(':', '-')} "
        if way == "up" and data.startswith(index.encode()) and not reached.is_set():
            reached.set()
            may_go.wait(20)
        return data, False

    relay.touch = halt
    slow = opened(relay.host)
    thread = threading.Thread(target=put_referrer, args=(slow, subject, statement(subject, "slow")))
    thread.start()
    assert reached.wait(20)
    put_referrer(repository, subject, statement(subject, "quick"))
    assert len(index_of(registry, repository, subject)) == 2
    may_go.set()
    thread.join(20)
    assert said(repository, subject) == ["quick", "slow"]
    assert len(index_of(registry, repository, subject)) == 2


def at_once(repository: Repository, registry: str, subject: str, count: int, rounds: int) -> None:
    """Nothing that `count` processes said in `rounds` is missing from the list or from the index."""
    command = [sys.executable, str(SIGNERS), str(repository), subject, str(count), str(rounds)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["codes"] == [0] * count, ran.stderr
    assert sorted(one.digest for one in list_referrers(repository, subject)) == sorted(told["said"])
    assert index_of(registry, repository, subject) == sorted(told["said"])


def test_two_signers_at_once_lose_nothing(repository: Repository, subject: str, registry: str) -> None:
    """Two processes, eight times at the same moment: all is there, also for clients that know only the index."""
    at_once(repository, registry, subject, 2, 8)


@pytest.mark.soak
def test_eight_signers_fifty_times(repository: Repository, subject: str, registry: str) -> None:
    """As above, eight processes and fifty rounds."""
    at_once(repository, registry, subject, 8, 50)


def test_a_list_that_is_none_is_refused(repository: Repository, subject: str, relay: Relay, opened: Open) -> None:
    """An index that is no JSON is an error of the registry's, not a traceback."""
    put_referrer(repository, subject, statement(subject, "first"))
    relay.flip(b'{"schemaVersion"')
    with pytest.raises(FreeholdError) as raised:
        list_referrers(opened(relay.host), subject)
    assert raised.value.code in ("registry_digest_wrong", "registry_refused")
