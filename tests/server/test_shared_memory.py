"""Regions of shared memory: which may be registered, what is read and written, and what their owners do meanwhile."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.access import Database
from freehold.access.books import Books
from freehold.access.key import Key
from freehold.access.trail import Query
from freehold.config import Access
from freehold.errors import FreeholdError
from freehold.http.bookkeeping import Bookkeeping
from freehold.http.visit import Asked, Visit
from freehold.protocol.oip_regions import RegionStatus
from freehold.server import shared_memory
from freehold.server.shared_memory import SharedMemory, registered, tenant_of, unregistered
from freehold.telemetry import Telemetry


def free(_size: int) -> None:
    """What a request holds is not looked at here."""


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the objects lie: one of 64 bytes, which count up."""
    (tmp_path / "app_in").write_bytes(bytes(range(64)))
    (tmp_path / "other").write_bytes(bytes(64))
    return tmp_path


@pytest.fixture
def shared(folder: Path) -> Iterator[SharedMemory]:
    """Shared memory with one region: 32 bytes from 16 of the object."""
    made = SharedMemory(["/app_"], folder=folder)
    made.register("in", "/app_in", 16, 32)
    yield made
    made.unregister()


def code_of(shared: SharedMemory, name: str, key: str, offset: int = 0, byte_size: int = 8) -> str:
    """The error of a registration."""
    with pytest.raises(FreeholdError) as caught:
        shared.register(name, key, offset, byte_size)
    return caught.value.code


def test_it_is_off_where_no_prefix_is_allowed(folder: Path) -> None:
    """Nothing is registered, listed, unregistered or used."""
    shared = SharedMemory((), folder=folder)
    assert code_of(shared, "in", "/app_in") == "shared_memory_off"
    for call in (shared.status, shared.unregister):
        with pytest.raises(FreeholdError, match="not allowed"):
            call()
    with shared.lease(free) as regions, pytest.raises(FreeholdError, match="not allowed"):
        regions.read("in", 0, 1)


def test_a_region_is_listed_until_it_is_unregistered(shared: SharedMemory) -> None:
    """By its name and among all; unregistering twice is no error, asking for its status then is."""
    (status,) = shared.status("in")
    assert (status.name, status.key, status.offset, status.byte_size) == ("in", "/app_in", 16, 32)
    assert shared.status() == [status]
    shared.unregister("in")
    shared.unregister("in")
    assert shared.status() == []
    with pytest.raises(FreeholdError, match="Unable to find system shared memory region: 'in'") as caught:
        shared.status("in")
    assert caught.value.code == "shared_memory_unknown"


@pytest.mark.parametrize(
    "key", ["other", "/other", "", "/", "app_/../other", "//app_in", "freehold_x", "/app_\0", "app_" + "x" * 300, ".."]
)
def test_only_plain_names_with_an_allowed_prefix_are_registered(shared: SharedMemory, key: str) -> None:
    """Nothing beside, above or below the folder, nothing of our own, no name that no file can have."""
    assert code_of(shared, "new", key) == "shared_memory_key_refused"
    assert [status.name for status in shared.status()] == ["in"]


def test_our_own_prefix_is_refused_even_where_it_is_allowed(folder: Path) -> None:
    """A prefix of the configuration cannot open what is ours."""
    (folder / "freehold_x").write_bytes(bytes(8))
    assert code_of(SharedMemory(["free"], folder=folder), "x", "freehold_x") == "shared_memory_key_refused"


def test_neither_links_nor_pipes_nor_folders_are_opened(shared: SharedMemory, folder: Path) -> None:
    """A link would lead out of the folder, a pipe would be waited for."""
    (folder / "app_link").symlink_to(folder / "other")
    (folder / "app_folder").mkdir()
    os.mkfifo(folder / "app_pipe")
    for name in ("app_link", "app_folder", "app_pipe", "app_absent"):
        assert code_of(shared, "new", name) == "shared_memory_unopened", name


def test_a_name_is_registered_once(shared: SharedMemory) -> None:
    """Another region may lie in the same object under another name."""
    assert code_of(shared, "in", "/app_in") == "shared_memory_exists"
    shared.register("again", "app_in", 0, 64)
    assert len(shared.status()) == 2


@pytest.mark.parametrize(("offset", "byte_size"), [(0, 65), (64, 1), (60, 5), (2**62, 2**62), (0, 0), (-1, 2)])
def test_a_region_lies_within_its_object(shared: SharedMemory, offset: int, byte_size: int) -> None:
    """Beyond the end, empty and before the beginning are refused, and no descriptor stays open."""
    before = descriptors()
    assert code_of(shared, "new", "/app_in", offset, byte_size) == "shared_memory_size_wrong"
    assert descriptors() == before


def test_there_is_a_most_of_regions(shared: SharedMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than that is refused: each holds a descriptor."""
    monkeypatch.setattr(shared_memory, "MOST_REGIONS", 2)
    shared.register("second", "/app_in", 0, 1)
    assert code_of(shared, "third", "/app_in") == "shared_memory_crowded"


def test_a_lease_reads_and_writes_within_the_region(shared: SharedMemory, folder: Path) -> None:
    """Offsets count from the region's beginning; what is read is held before."""
    held: list[int] = []
    with shared.lease(held.append) as regions:
        assert regions.read("in", 4, 3) == bytes([20, 21, 22])
        assert regions.read("in", 32, 0) == b""
        regions.reserve("in", 0, 32)
        regions.write("in", 30, memoryview(b"\xff\xff"))
        regions.write("in", 0, memoryview(b""))
    assert held == [3, 0]
    assert (folder / "app_in").read_bytes()[46:49] == b"\xff\xff\x30"


@pytest.mark.parametrize(("offset", "size"), [(0, 33), (32, 1), (31, 2), (2**63, 2**63)])
def test_nothing_beyond_a_region_is_read_or_written(shared: SharedMemory, offset: int, size: int) -> None:
    """Although the object itself goes on behind it."""
    with shared.lease(free) as regions:
        for use in (regions.read, regions.reserve):
            with pytest.raises(FreeholdError, match="Invalid offset") as caught:
                use("in", offset, size)
            assert caught.value.code == "shared_memory_beyond"
        with pytest.raises(FreeholdError, match="Invalid offset"):
            regions.write("in", 31, memoryview(b"12"))
        with pytest.raises(FreeholdError, match="Unable to find"):
            regions.read("out", 0, 1)


def test_a_request_reads_no_more_than_a_body_may_have(folder: Path) -> None:
    """Of all its tensors together: nobody else is answered while they are copied. What is too much is not held."""
    shared, held = SharedMemory(["app_"], 40, folder), list[int]()
    shared.register("in", "/app_in", 0, 64)
    with shared.lease(held.append) as regions:
        regions.read("in", 0, 40)
        with pytest.raises(FreeholdError, match="41 bytes in shared memory") as caught:
            regions.read("in", 0, 1)
    assert (caught.value.code, held) == ("body_too_large", [40])
    with shared.lease(held.append) as regions:
        assert len(regions.read("in", 24, 40)) == 40
    shared.unregister()


def test_an_object_that_was_cut_is_an_error_and_does_not_grow(shared: SharedMemory, folder: Path) -> None:
    """A mapping would end the process here. Its owner finds it as it was cut."""
    os.truncate(folder / "app_in", 20)
    with shared.lease(free) as regions:
        assert regions.read("in", 0, 4) == bytes([16, 17, 18, 19])
        for use in (regions.read, regions.reserve):
            with pytest.raises(FreeholdError, match="there are 4") as caught:
                use("in", 0, 5)
            assert caught.value.code == "shared_memory_shrank"
        with pytest.raises(FreeholdError, match="there are 0"):
            regions.write("in", 8, memoryview(b"1"))
    assert (folder / "app_in").stat().st_size == 20


def test_an_object_that_was_removed_is_used_until_it_is_unregistered(shared: SharedMemory, folder: Path) -> None:
    """As with a mapping: its name is gone, its bytes are not."""
    (folder / "app_in").unlink()
    with shared.lease(free) as regions:
        assert regions.read("in", 0, 1) == bytes([16])


def test_a_region_in_use_is_forgotten_when_the_last_request_ends(shared: SharedMemory) -> None:
    """Until then it is listed and its name taken, but no new request may use it; then its descriptor is closed."""
    before = descriptors()
    with shared.lease(free) as first:
        first.read("in", 0, 1)
        with shared.lease(free) as second:
            second.read("in", 0, 1)
            shared.unregister("in")
            assert code_of(shared, "in", "/app_in") == "shared_memory_exists"
            second.write("in", 0, memoryview(b"x"))
        with shared.lease(free) as third, pytest.raises(FreeholdError, match="Unable to find"):
            third.read("in", 0, 1)
        assert len(shared.status()) == 1
        assert first.read("in", 0, 1) == b"x"
    assert shared.status() == []
    assert descriptors() == before - 1
    shared.register("in", "/app_in", 0, 1)


def test_a_lease_that_fails_gives_its_regions_back(shared: SharedMemory) -> None:
    """Whatever ends a request."""
    with pytest.raises(FreeholdError, match="Invalid offset"), shared.lease(free) as regions:
        regions.read("in", 0, 33)
    shared.unregister("in")
    assert shared.status() == []


def test_tenants_have_regions_of_their_own(shared: SharedMemory, folder: Path) -> None:
    """One does not see, use or unregister the other's, and may have one of the same name."""
    (folder / "app_other:in").write_bytes(bytes(8))
    shared.register("in", "/app_other:in", 0, 1, "other")
    assert [status.byte_size for status in shared.status(tenant="other")] == [1]
    with shared.lease(free, "other") as regions, pytest.raises(FreeholdError, match="Invalid offset"):
        regions.read("in", 0, 2)
    shared.unregister(tenant="other")
    assert [status.byte_size for status in shared.status()] == [32]
    for call in (lambda: shared.status("in", "third"), lambda: shared.acquire("in", "third")):
        with pytest.raises(FreeholdError, match="Unable to find"):
            call()


@pytest.mark.parametrize("key", ["/app_in", "/app_other", "/app_other.in", "/app_others:in", "/other:in", "/app_:in"])
def test_a_tenant_registers_only_objects_that_bear_its_name(shared: SharedMemory, folder: Path, key: str) -> None:
    """Behind the prefix and before a colon, which the error says: those of others hold what is not for it."""
    (folder / key.removeprefix("/")).touch()
    with pytest.raises(FreeholdError, match="app_other:") as caught:
        shared.register("mine", key, 0, 8, "other")
    assert caught.value.code == "shared_memory_key_refused"
    assert shared.status(tenant="other") == []


@pytest.mark.parametrize(("tenant", "whose"), [("default", ""), ("other", "other")])
def test_regions_are_of_the_tenant_of_the_key(tenant: str, whose: str) -> None:
    """Those of the default tenant are the installation's, and so are all where no keys are asked for."""
    asked = Asked("infer", "POST", "/v2/models/m/infer", "id", "127.0.0.1")
    assert tenant_of(Visit(Key("k", "client", 0.0, b"", tenant), asked, {}, None, None)) == whose
    assert tenant_of(None) == ""


def test_what_is_done_to_regions_stands_in_the_audit(shared: SharedMemory) -> None:
    """Which object somebody made known under which name, also in vain; and what was forgotten."""
    books = Books(Database.in_memory(), "n", Telemetry(process=False), Access())
    asked = Asked("admin", "POST", "/p", "r-1", "10.0.0.1")
    visit = Visit(Key("k", "admin", 0.0, b""), asked, {}, None, Bookkeeping(books.usage, books.audit))

    async def scenario() -> None:
        await registered(shared, visit, RegionStatus("out", "/app_in", 0, 8))
        with pytest.raises(FreeholdError):
            await registered(shared, visit, RegionStatus("stolen", "/other", 0, 8))
        await unregistered(shared, visit, "out")

    asyncio.run(scenario())
    lines = [kept.document() for page in books.audit.trail.pages(Query(None)) for kept in page]
    assert [(line["what"], line["outcome"]) for line in lines[1::2]] == [
        ("memory.register", "done"),
        ("memory.register", "shared_memory_key_refused"),
        ("memory.unregister", "done"),
    ]
    assert lines[2]["details"] == {"region": "stolen", "key": "/other", "request": "r-1"}
    books.close()
