"""Packages are read as if their makers meant harm."""

import contextlib
import io
import stat
import struct
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.bundle.plugin.package import MAX_FILE, parse, read
from freehold.errors import FreeholdError

from .packages import MANIFEST, plugin_files, write_plugin, zipped


def code_of(raw: bytes) -> tuple[str, str]:
    """The error that reading these bytes ends in, and its reason."""
    with pytest.raises(FreeholdError) as caught:
        parse(raw, "p.difypkg")
    return caught.value.code, str(caught.value.details["reason"])


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> bytes:
    """A package with one more file of that name and mode."""
    buffer = io.BytesIO(zipped(plugin_files()))
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr = name, mode << 16
        archive.writestr(info, b"x")
    return buffer.getvalue()


def test_a_package_says_whose_it_is(tmp_path: Path) -> None:
    """Identity, files and size are those of the zip."""
    package = read(write_plugin(tmp_path / "p.difypkg"))
    assert str(package.identity) == "langgenius/openai_api_compatible:0.0.63"
    assert package.files == plugin_files()
    assert package.size == sum(map(len, plugin_files().values()))


def test_writing_is_deterministic_and_reads_back() -> None:
    """The same files give the same bytes, and those the same files."""
    package = parse(zipped(plugin_files()), "p")
    assert package.archive() == package.archive()
    assert parse(package.archive(), "p") == package


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../up", "no path inside"),
        ("a/../../up", "no path inside"),
        ("/etc/passwd", "no path inside"),
        ("a\\b", "no path inside"),
        ("a//b", "no path inside"),
        ("./a", "no path inside"),
        ("a\0b", "no path inside"),
        ("main.py/x", "is a file and a folder"),
    ],
)
def test_paths_that_leave_the_package_are_refused(name: str, said: str) -> None:
    """Whatever would be written elsewhere, or twice, is an error before anything is unpacked."""
    code, reason = code_of(entry(name))
    assert code == "plugin_refused"
    assert said in reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused() -> None:
    """Two readers could see two different files."""
    assert code_of(entry("main.py")) == ("plugin_refused", "'main.py' is there twice")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(kind: int) -> None:
    """Only plain files and folders are in a package."""
    assert "a link or a device" in code_of(entry("link", kind | 0o777))[1]


def test_a_file_that_says_it_is_a_folder_is_refused() -> None:
    """Go takes it for a folder by its mode, and would not hash it."""
    assert "a folder" in code_of(entry("extra.py", stat.S_IFDIR | 0o755))[1]


def test_what_unpacks_to_too_much_is_refused_unread() -> None:
    """The sizes that the zip tells are added up before the first byte is unpacked."""
    raw = bytearray(zipped(plugin_files()))
    at = raw.index(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", MAX_FILE + 1)
    assert code_of(bytes(raw)) == ("plugin_refused", code_of(bytes(raw))[1])
    assert "unpacks to" in code_of(bytes(raw))[1]


def test_a_file_longer_than_it_tells_is_an_error() -> None:
    """A zip bomb that lies about its size is cut off at what it told."""
    files = plugin_files() | {"zeros": bytes(1 << 20)}
    raw = bytearray(zipped(files))
    at = raw.rindex(b"zeros") - 46
    assert raw[at : at + 4] == b"PK\x01\x02"
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    assert code_of(bytes(raw))[0] == "plugin_unreadable"


BELOW = tuple(pairwise("abcdefghijklmno"))
BOMB = "[&a [x], " + ", ".join(f"&{here} [{', '.join([f'*{before}'] * 9)}]" for before, here in BELOW) + "]"
"""A list whose text would have more letters than a disk has bytes."""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: plugin", "type: bundle", "`type` is 'bundle'"),
        ("openai_api_compatible", "Open AI", "`name` is 'Open AI'"),
        ("0.0.63", "latest", "`version` is 'latest'"),
        ('"langgenius"', '"Lang/Genius"', "`author` is"),
        ('"python"', '"go"', "language` is 'go'"),
        ('"langgenius"', BOMB, "`author` is no text"),
        ('"python"', BOMB, "language` is no text"),
        ("type: plugin", "type: [", "no YAML"),
        (MANIFEST, "- a list\n", "no mapping"),
    ],
)
def test_a_manifest_that_the_daemon_would_not_take(old: str, new: str, said: str) -> None:
    """What is wrong is told with its value."""
    files = plugin_files()
    files["manifest.yaml"] = MANIFEST.replace(old, new).encode()
    code, reason = code_of(zipped(files))
    assert code == "plugin_manifest_invalid"
    assert said in reason


def test_no_manifest_no_zip_no_file(tmp_path: Path) -> None:
    """Three ways to be no package at all."""
    assert code_of(zipped({"a": b""}))[0] == "plugin_manifest_invalid"
    assert code_of(b"not a zip")[0] == "plugin_unreadable"
    with pytest.raises(FreeholdError) as caught:
        read(tmp_path / "none.difypkg")
    assert caught.value.code == "plugin_unreadable"


def test_a_manifest_that_is_no_text() -> None:
    """Bytes that are not UTF-8, and a manifest of megabytes, are named."""
    assert "UTF-8" in code_of(zipped(plugin_files() | {"manifest.yaml": b"\xff\xfe"}))[1]
    assert "too many" in code_of(zipped(plugin_files() | {"manifest.yaml": b" " * (1 << 21)}))[1]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 5000), put=st.binary(min_size=1, max_size=8))
def test_damaged_packages_end_in_our_errors_alone(at: int, put: bytes) -> None:
    """Whatever bytes are overwritten: a package, or an error with a code."""
    raw = bytearray(zipped(plugin_files()))
    at %= len(raw)
    raw[at : at + len(put)] = put
    with contextlib.suppress(FreeholdError):
        parse(bytes(raw), "p")
