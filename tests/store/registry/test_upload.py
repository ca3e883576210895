"""One blob to a registry: in chunks, and after cuts."""

from collections.abc import Callable

import pytest

from freehold.errors import FreeholdError
from freehold.store.registry.client import Repository
from freehold.store.registry.content import BytesContent
from freehold.store.registry.meter import Meter
from freehold.store.registry.upload import CHUNK, mount, upload
from tests.docker_registry import Direction, Relay, answering, relay_to, silent
from tests.modern_registry import modern_front

Open = Callable[..., Repository]


@pytest.fixture
def meter() -> Meter:
    """A meter that nobody reads."""
    return Meter("", silent)


def arrived(repository: Repository, content: BytesContent) -> bool:
    """Whether the registry has it."""
    return repository.has_blob(content.digest)


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_any_size_arrives(repository: Repository, meter: Meter, size: int) -> None:
    """Nothing, one byte, exactly a chunk, and what does not divide evenly."""
    content = BytesContent(bytes(size))
    upload(repository, content, meter)
    assert arrived(repository, content)
    assert meter.moved == size


def test_what_arrived_of_a_cut_chunk_is_not_sent_again(
    registry: str, weights: bytes, meter: Meter, opened: Open
) -> None:
    """A registry that keeps what came is asked how much that is, and the upload goes on from there."""
    content = BytesContent(weights)
    with modern_front(registry) as front, relay_to(front.host) as relay:
        relay.cut_after("up", 11_000_000)
        upload(opened(relay.host), content, meter)
        assert len(front.resumed) == 1
        assert 10_000_000 < front.resumed[0] < 11_000_000
        assert relay.up < len(weights) * 1.01
    assert arrived(opened(registry), content)


def test_a_cut_between_two_chunks_is_resumed_by_debians_registry(
    weights: bytes, meter: Meter, relay: Relay, opened: Open
) -> None:
    """A connection that breaks before anything of a chunk has come loses nothing there either."""
    chunks = 0

    def cut_the_second(way: Direction, data: bytes) -> tuple[bytes, bool]:
        nonlocal chunks
        chunks += way == "up" and data.startswith(b"PATCH")
        return (b"", True) if chunks == 2 and data.startswith(b"PATCH") else (data, False)

    relay.touch = cut_the_second
    content = BytesContent(weights)
    upload(opened(relay.host), content, meter)
    assert arrived(opened(relay.host), content)
    assert relay.up < len(weights) * 1.01


def test_a_registry_that_forgets_gets_the_blob_from_its_beginning(
    weights: bytes, meter: Meter, relay: Relay, opened: Open
) -> None:
    """Debian's registry gives up an upload of which a chunk was cut: it is sent once more, and arrives."""
    relay.cut_after("up", 11_000_000)
    content = BytesContent(weights)
    upload(opened(relay.host), content, meter)
    assert arrived(opened(relay.host), content)
    assert relay.up > len(weights) * 1.3


def test_a_lost_answer_does_not_send_it_twice(meter: Meter, relay: Relay, opened: Open) -> None:
    """When only the last answer was cut off, the blob is found to be there."""

    def swallow(way: Direction, data: bytes) -> tuple[bytes, bool]:
        return (b"", True) if way == "down" and data.startswith(b"HTTP/1.1 201") else (data, False)

    relay.touch = swallow
    content = BytesContent(b"small" * 1000)
    upload(opened(relay.host), content, meter)
    assert relay.up < 8000


def test_one_that_never_gets_through_is_given_up(weights: bytes, meter: Meter, relay: Relay, opened: Open) -> None:
    """Cut in the same place again and again, it ends in an error."""
    relay.cut_after("up", 3_000_000, times=1000)
    with pytest.raises(FreeholdError) as raised:
        upload(opened(relay.host), BytesContent(weights), meter)
    assert raised.value.code == "registry_unreachable"


def test_content_that_is_not_its_digest_is_refused(repository: Repository, meter: Meter) -> None:
    """The registry counts too."""

    class Changed(BytesContent):
        @property
        def digest(self) -> str:
            return f"sha256:{'0' * 64}"

    with pytest.raises(FreeholdError) as raised:
        upload(repository, Changed(b"x"), meter)
    assert raised.value.code == "registry_refused"


def test_mounting_what_is_not_there_is_no_error(repository: Repository) -> None:
    """The registry offers an upload instead, which is taken back."""
    assert not mount(repository, f"sha256:{'1' * 64}", "no/where")


@pytest.mark.parametrize("location", ["", "Location: http://[", "Location: http://h:x/"])
def test_an_upload_to_nowhere_is_refused(meter: Meter, opened: Open, location: str) -> None:
    """A registry that does not say where to, or says what is no address, is told apart from one that is away."""
    lines = ["HTTP/1.1 202 Accepted", "Content-Length: 0", "Connection: close", *filter(None, [location]), "", ""]
    with answering("\r\n".join(lines).encode()) as host, pytest.raises(FreeholdError) as raised:
        upload(opened(host), BytesContent(b"x"), meter)
    assert raised.value.code == "registry_refused"
