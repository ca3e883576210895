"""One blob from a registry: servers that do not keep to what was asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.oci import Descriptor, describe
from freehold.store.registry.client import Repository
from freehold.store.registry.content import BytesContent
from freehold.store.registry.download import download
from freehold.store.registry.meter import Meter
from freehold.store.registry.upload import upload
from tests.docker_registry import Direction, Relay, silent

Open = Callable[..., Repository]


@pytest.fixture
def blob(repository: Repository, weights: bytes) -> Descriptor:
    """20 MB in the registry."""
    upload(repository, BytesContent(weights), Meter("", silent))
    return describe(weights, "application/octet-stream")


def test_a_server_without_ranges_sends_all_again(
    blob: Descriptor, relay: Relay, opened: Open, store: Store, weights: bytes
) -> None:
    """An answer that begins at the beginning is not appended to what is there."""
    relay.cut_after("down", 5_000_000)
    cut = relay.touch
    assert cut is not None

    def without_ranges(way: Direction, data: bytes) -> tuple[bytes, bool]:
        if way == "up":
            data = data.replace(b"Range: bytes=", b"X-Was: bytes=")
        return cut(way, data)

    relay.touch = without_ranges
    with store.writing():
        download(opened(relay.host), blob, store.blobs, Meter("", silent))
    assert store.blobs.read(blob.digest) == weights


def test_a_blob_that_is_not_there(repository: Repository, store: Store) -> None:
    """A manifest may name what the registry has lost."""
    missing = describe(b"never pushed", "application/octet-stream")
    with store.writing(), pytest.raises(FreeholdError) as raised:
        download(repository, missing, store.blobs, Meter("", silent))
    assert raised.value.code == "registry_blob_missing"


def test_a_blob_that_is_longer_than_said(blob: Descriptor, repository: Repository, store: Store) -> None:
    """A manifest that names a smaller size is not believed, and no more than that is written."""
    short = Descriptor(media_type=blob.media_type, digest=blob.digest, size=100_000)
    with store.writing(), pytest.raises(FreeholdError) as raised:
        download(repository, short, store.blobs, Meter("", silent))
    assert raised.value.code == "registry_refused"
    assert sum(path.stat().st_size for path in store.blobs.incoming.iterdir()) <= 100_000


def test_a_blob_that_is_shorter_than_said(blob: Descriptor, repository: Repository, store: Store) -> None:
    """One that names a larger size ends in an error, whatever the registry makes of the range behind its end."""
    long = Descriptor(media_type=blob.media_type, digest=blob.digest, size=blob.size + 1)
    with store.writing(), pytest.raises(FreeholdError) as raised:
        download(repository, long, store.blobs, Meter("", silent))
    assert raised.value.code in ("registry_refused", "registry_unreachable")


def test_two_pulls_of_one_blob_share_the_work(blob: Descriptor, relay: Relay, opened: Open, store: Store) -> None:
    """Of several who want the same content one fetches it; the others wait for it."""
    repository = opened(relay.host)

    def once(_: int) -> None:
        download(repository, blob, Store(store.root).blobs, Meter("", silent))

    with store.writing(), ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(4)))
    assert store.blobs.has(blob.digest, blob.size)
    assert list(store.blobs.incoming.iterdir()) == []
    assert relay.down < blob.size * 1.01


def test_nothing_is_a_blob_too(repository: Repository, store: Store) -> None:
    """An empty file needs no request."""
    nothing = describe(b"", "application/octet-stream")
    with store.writing():
        download(repository, nothing, store.blobs, Meter("", silent))
    assert store.blobs.read(nothing.digest) == b""
