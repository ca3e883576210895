"""The one file of a bundle: what is written is read, and nothing else is."""

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.deploy.bundle import tar
from freehold.errors import FreeholdError
from freehold.store.registry.meter import Meter

METER = Meter("test", lambda _: None)
Entry = tuple[tarfile.TarInfo, bytes]


def packed(folder: Path, **files: bytes) -> Path:
    """A tar of these files, whose names have `_` for `/`."""
    for name, raw in files.items():
        path = folder / "content" / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    tar.pack(folder / "content", [name.replace("_", "/") for name in files], folder / "b.tar", METER)
    return folder / "b.tar"


def foreign(folder: Path, *entries: Entry) -> Path:
    """A tar that another program wrote."""
    path = folder / "foreign.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for info, raw in entries:
            archive.addfile(info, io.BytesIO(raw))
    return path


def entry(name: str, raw: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    """An entry as another program may make it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(raw), kind, link
    return info, raw


def test_what_is_packed_is_read_and_other_programs_read_it(tmp_path: Path) -> None:
    """Names, sizes and bytes; twice the same file."""
    path = packed(tmp_path, a=b"1" * 1000, b_c=b"", d=b"x" * 512)
    found = tar.entries(path)
    assert {name: b"".join(one.blocks()) for name, one in found.items()} == {
        "a": b"1" * 1000,
        "b/c": b"",
        "d": b"x" * 512,
    }
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["a", "b/c", "d"]
        assert {info.mtime for info in archive} == {0}
    before = path.read_bytes()
    tar.pack(tmp_path / "content", ["a", "b/c", "d"], path, METER)
    assert path.read_bytes() == before


def test_sizes_above_eight_gib_are_written(tmp_path: Path) -> None:
    """In the header that other programs read too; the content is not needed for that."""
    header = tar._header("blobs/sha256/" + "0" * 64, 20 << 30)
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == 20 << 30


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (entry("../etc/passwd", b"x"), "leads out"),
        (entry("/etc/passwd", b"x"), "leads out"),
        (entry("a/../../b", b"x"), "leads out"),
        (entry("./a", b"x"), "plain form"),
        (entry("a//b", b"x"), "plain form"),
        (entry("a\\b", b"x"), "characters"),
        (entry("a\nb", b"x"), "characters"),
        (entry("a", kind=tarfile.SYMTYPE, link="/etc/passwd"), "a link"),
        (entry("a", kind=tarfile.LNKTYPE, link="manifest.json"), "a link"),
        (entry("a", kind=tarfile.DIRTYPE), "a folder"),
        (entry("a", kind=tarfile.CHRTYPE), "unknown sort"),
        (entry("n" * 150, b"x"), "unknown sort"),
    ],
)
def test_a_hostile_entry_is_refused(tmp_path: Path, made: Entry, reason: str) -> None:
    """Each with its name and the reason, from the header alone; nothing is unpacked."""
    with pytest.raises(FreeholdError) as caught:
        tar.entries(foreign(tmp_path, entry("manifest.json", b"{}"), made))
    assert caught.value.code == "bundle_invalid"
    assert reason in str(caught.value.details["reason"])


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    """A reader that takes the last one would take what was never verified."""
    with pytest.raises(FreeholdError) as caught:
        tar.entries(foreign(tmp_path, entry("a", b"one"), entry("a", b"two")))
    assert (caught.value.code, caught.value.details["entry"]) == ("bundle_invalid", "a")


def test_a_size_beyond_the_file_is_no_size(tmp_path: Path) -> None:
    """Neither one of petabytes nor one below zero allocates or reads anything."""
    for size in (1 << 60, -1):
        info = tarfile.TarInfo("a")
        info.size = size
        path = tmp_path / "absurd.tar"
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        with pytest.raises(FreeholdError) as caught:
            tar.entries(path)
        assert caught.value.code in ("bundle_truncated", "bundle_invalid")


@pytest.mark.parametrize("left", [0, 100, 511, 512, 900, 1535, 1536, 2047])
def test_a_truncated_tar_is_said_to_be_one(tmp_path: Path, left: int) -> None:
    """Wherever it was cut: within a header, within content, between entries."""
    path = packed(tmp_path, a=b"1" * 600, b=b"2" * 600)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(FreeholdError) as caught:
        tar.entries(path)
    assert caught.value.code == "bundle_truncated"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_bytes_that_change_never_crash_it(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is changed in a header: an entry of that name and a size that fits, or an error of ours."""
    raw = bytearray(packed(tmp_path, a=b"1" * 100, b=b"2" * 100).read_bytes())
    for at in data.draw(st.lists(st.integers(0, 1535), min_size=1, max_size=4)):
        raw[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.tar"
    path.write_bytes(raw)
    with suppress(FreeholdError):
        assert all(one.start + one.size <= len(raw) for one in tar.entries(path).values())


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    """Neither the tar nor a part of it; an older one stays."""
    path = packed(tmp_path, a=b"1")
    before = path.read_bytes()
    (tmp_path / "content" / "a").unlink()
    with pytest.raises(FileNotFoundError):
        tar.pack(tmp_path / "content", ["a"], path, METER)
    assert path.read_bytes() == before
    assert {one.name for one in tmp_path.iterdir()} == {"content", "b.tar"}
