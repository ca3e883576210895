"""One file: cuts, resumption, wrong bytes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.fetch.download import Download, StoppedError, digest_if_same, git_sha1_of, part_of
from freehold.adapt.fetch.halt import Halt
from freehold.adapt.fetch.huggingface import HuggingFace
from freehold.adapt.fetch.repository import Errand, RemoteFile
from freehold.adapt.fetch.transport import Transport
from freehold.errors import FreeholdError
from tests.model_hub import Fault, ModelHub, git_id, sha256

WEIGHTS = "model.safetensors"
SIZE = 300_000
Begin = Callable[..., Download]


@pytest.fixture
def begin(hub: ModelHub, transport: Transport, errand: Errand, tmp_path: Path) -> Begin:
    """`begin(name="model.safetensors", **changes)`: the download of a file of `org/m` into the test's folder."""

    def made(name: str = WEIGHTS, **changes: Any) -> Download:
        there = HuggingFace(transport, hub.url, "")
        file = there.repository(errand).file(name)
        assert file is not None
        return Download(replace(file, **changes), tmp_path / "file", there, errand, transport, Halt())

    return made


def ranges(hub: ModelHub) -> list[str]:
    """What was asked of the storage."""
    return [seen.headers.get("range", "") for seen in hub.seen if seen.path.startswith("/storage/")]


def refused(download: Download) -> FreeholdError:
    with pytest.raises(FreeholdError) as failure:
        download.run()
    return failure.value


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_file_comes_whole(begin: Begin, tmp_path: Path, contents: dict[str, bytes], name: str) -> None:
    """From the storage or from the hub itself, checked by sha256 or by git's id; nothing lies beside it."""
    assert begin(name).run() == sha256(contents[name])
    assert (tmp_path / "file").read_bytes() == contents[name]
    assert left(tmp_path) == ["file"]


def test_a_cut_is_gone_on_from(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """Each try asks for the rest, of the same content only; a try that got further starts the count anew."""
    hub.faults[WEIGHTS] = [Fault(after=50_000) for _ in range(5)]
    assert begin().run() == sha256(contents[WEIGHTS])
    assert ranges(hub) == ["", *(f"bytes={begun}-" for begun in range(50_000, 300_000, 50_000))]
    resumed = [seen for seen in hub.seen if "range" in seen.headers]
    assert {seen.headers["if-range"] for seen in resumed} == {f'"{sha256(contents[WEIGHTS])}"'}


def test_silence_is_a_cut(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """A server that sends nothing any more is asked again."""
    hub.faults[WEIGHTS] = [Fault(after=1000, silent=True)]
    assert begin().run() == sha256(contents[WEIGHTS])
    assert ranges(hub) == ["", "bytes=1000-"]


def test_a_later_run_goes_on(begin: Begin, hub: ModelHub, tmp_path: Path, contents: dict[str, bytes]) -> None:
    """After a try that gave up, and with the tag of what had begun to come."""
    hub.faults[WEIGHTS] = [Fault(after=70_000), *(Fault(after=0) for _ in range(3))]
    error = refused(begin())
    assert (error.code, error.details["have"], error.details["tries"]) == ("fetch_cut", 70_000, 3)
    assert not (tmp_path / "file").exists()
    assert begin().run() == sha256(contents[WEIGHTS])
    assert ranges(hub)[-1] == "bytes=70000-"


def test_a_storage_without_ranges(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """Sends it all again, and the file is right."""
    hub.ranges = False
    hub.faults[WEIGHTS] = [Fault(after=1000)]
    assert begin().run() == sha256(contents[WEIGHTS])


def test_a_part_of_another_content_is_not_gone_on_from(begin: Begin, tmp_path: Path) -> None:
    """It has another name."""
    download = begin()
    other = replace(download.file, sha256="0" * 64)
    assert part_of(tmp_path / "file", other) != part_of(tmp_path / "file", download.file)


def test_a_damaged_part_costs_one_more_try(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """What it went on from was wrong: once from the start."""
    download = begin()
    part_of(download.target, download.file).write_bytes(b"damaged")
    assert download.run() == sha256(contents[WEIGHTS])
    assert ranges(hub) == ["bytes=7-", ""]


@pytest.mark.parametrize("have", [SIZE, SIZE + 5])
def test_a_part_that_is_long_enough(begin: Begin, contents: dict[str, bytes], have: int) -> None:
    """Is checked: the whole is kept, too much is thrown away."""
    download = begin()
    part_of(download.target, download.file).write_bytes((contents[WEIGHTS] + b"extra")[:have])
    assert download.run() == sha256(contents[WEIGHTS])


def test_wrong_bytes_are_not_kept(begin: Begin, hub: ModelHub, tmp_path: Path) -> None:
    """Of the right length: the digest shows it, nothing lies there afterwards."""
    hub.faults[WEIGHTS] = [Fault(after=-1, body=b"X" * SIZE)]
    error = refused(begin())
    assert error.code == "fetch_digest_differs"
    assert error.details["found"] == sha256(b"X" * SIZE)
    assert left(tmp_path) == []


def test_small_files_are_checked_by_gits_id(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """The hub knows no sha256 of them."""
    hub.faults["config.json"] = [Fault(after=-1, body=b"X" * len(contents["config.json"]))]
    assert refused(begin("config.json")).code == "fetch_digest_differs"


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"X" * (SIZE + 1)])
def test_another_size_is_told_at_once(begin: Begin, hub: ModelHub, tmp_path: Path, body: bytes) -> None:
    """A proxy's page instead of a file: no second try, nothing kept."""
    hub.faults[WEIGHTS] = [Fault(after=-1, body=body)]
    error = refused(begin())
    assert (error.code, error.details["found"], error.details["expected"]) == ("fetch_size_differs", len(body), SIZE)
    assert not (tmp_path / "file").exists()


def test_more_than_was_announced(begin: Begin, hub: ModelHub, tmp_path: Path) -> None:
    """An answer whose length is not said, and that does not end where it should."""
    hub.faults[WEIGHTS] = [Fault(after=-1, body=b"X" * (SIZE + 1), headers={"Content-Encoding": "identity"})]
    assert refused(begin()).details["found"] == f"> {SIZE}"
    assert not (tmp_path / "file").exists()


def test_an_address_of_the_storage_that_has_run_out(begin: Begin, hub: ModelHub, contents: dict[str, bytes]) -> None:
    """A 403 from there says nothing of the user: the hub gives a fresh address."""
    hub.faults[WEIGHTS] = [Fault(status=403), Fault(status=416), Fault(after=9)]
    assert begin().run() == sha256(contents[WEIGHTS])


def test_a_storage_that_cannot_be_reached(begin: Begin, hub: ModelHub, errand: Errand) -> None:
    """Where the hub answers and its storage does not: what to carry, by name."""
    download = begin()
    hub.storage_url = "http://127.0.0.1:9"
    error = refused(replace(download, errand=replace(errand, needed=("config.json", WEIGHTS))))
    assert (error.code, error.details["host"]) == ("hub_unreachable", "127.0.0.1:9")
    assert f"config.json, {WEIGHTS}" in error.fix


def test_a_file_that_is_gone(begin: Begin, hub: ModelHub) -> None:
    """What the hub says of it is told."""
    download = begin()
    del hub.repos["org/m"]
    assert refused(download).code == "hub_repository_missing"


def test_it_stops_when_told(begin: Begin, tmp_path: Path) -> None:
    """What arrived stays for the next time."""
    download = begin()
    download.halt.set()
    with pytest.raises(StoppedError):
        download.run()
    assert not (tmp_path / "file").exists()


def test_an_empty_file_needs_no_request(begin: Begin, hub: ModelHub, tmp_path: Path) -> None:
    """It is there at once."""
    asked = len(hub.seen)
    begin("config.json", size=0, git_sha1=git_id(b"")).run()
    assert (tmp_path / "file").read_bytes() == b""
    assert len(hub.seen) == asked + 1  # the list


def test_what_is_the_same(tmp_path: Path) -> None:
    """Size and digest count; where a hub knows no digest, the size."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    assert git_sha1_of(path) == git_id(b"hello")
    digest = sha256(b"hello")
    assert digest_if_same(path, RemoteFile("file", 5, "", sha256=digest)) == digest
    assert digest_if_same(path, RemoteFile("file", 5, "", git_sha1=git_id(b"hello"))) == digest
    assert digest_if_same(path, RemoteFile("file", 5, "")) == digest
    for other in (RemoteFile("f", 6, ""), RemoteFile("f", 5, "", "0" * 64), RemoteFile("f", 5, "", "", "0" * 40)):
        assert digest_if_same(path, other) == ""
    assert digest_if_same(tmp_path / "none", RemoteFile("f", 5, "")) == ""
