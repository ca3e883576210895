"""A folder whose manifest pins every file in it."""

import os
from pathlib import Path

import msgspec
import pytest

from freehold.artifact import Artifact, FileEntry, MadeBy, Manifest, TensorSpec, write_manifest
from freehold.artifact.artifact import (
    SIGNATURES,
    link_or_copy,
    rewrite_manifest,
    stray_names,
    unfit,
    unpinned,
    write_durably,
)
from freehold.errors import FreeholdError


def manifest(**changes: object) -> Manifest:
    fields = {
        "schema": 1,
        "name": "tiny",
        "kind": "tensor",
        "layout": "tensor",
        "precision": "fp32",
        "inputs": (TensorSpec("x", "FP32", (-1, 2)),),
        "outputs": (TensorSpec("y", "FP32", (-1, 2)),),
        "made_by": MadeBy("test", "1", "sha256:00"),
        "files": {},
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]  # the test changes single fields


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A written artifact of two files, one of them in a folder."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "goldens").mkdir()
    (tmp_path / "goldens" / "raw.json").write_bytes(b"{}")
    write_manifest(tmp_path, manifest())
    return tmp_path


def test_opening_reads_back_what_was_written(folder: Path) -> None:
    """The manifest names every file, and the digest is stable."""
    artifact = Artifact.open(folder)
    assert set(artifact.manifest.files) == {"model.onnx", "goldens/raw.json"}
    assert artifact.digest == Artifact.open(folder).digest
    assert artifact.digest.startswith("sha256:")
    artifact.check_files()


def test_the_digest_changes_with_any_file(folder: Path) -> None:
    """Another byte in any file is another artifact."""
    before = Artifact.open(folder).digest
    (folder / "goldens" / "raw.json").write_bytes(b"[]")
    assert write_manifest(folder, manifest()).digest != before


def test_a_manifest_that_says_something_else_pins_the_same_files(folder: Path) -> None:
    """What it says is another, what it pins is not, and another digest tells the two apart."""
    before = Artifact.open(folder)
    after = rewrite_manifest(folder, msgspec.structs.replace(before.manifest, name="renamed"))
    assert (after.manifest.name, after.manifest.files) == ("renamed", before.manifest.files)
    assert after == Artifact.open(folder)
    assert after.digest != before.digest
    after.check_files()


def test_a_missing_or_shortened_file_is_named(folder: Path) -> None:
    """Opening looks at sizes; the file, what is expected and what is there are told."""
    (folder / "model.onnx").write_bytes(b"gra")
    with pytest.raises(FreeholdError, match=r"model\.onnx .*5 bytes, found 3 bytes"):
        Artifact.open(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(FreeholdError, match="no file"):
        Artifact.open(folder)


def test_a_changed_file_of_the_same_size_is_found_by_its_digest(folder: Path) -> None:
    """check_files hashes."""
    (folder / "model.onnx").write_bytes(b"grapH")
    artifact = Artifact.open(folder)
    with pytest.raises(FreeholdError, match="artifact_corrupt"):
        artifact.check_files()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": "one"}', b'{"name": "\xff"}'])
def test_a_broken_manifest_is_a_clear_error(folder: Path, text: bytes) -> None:
    """It says which file and what is wrong with it."""
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(FreeholdError, match="artifact_invalid"):
        Artifact.open(folder)


def test_a_folder_without_a_manifest_is_not_an_artifact(tmp_path: Path) -> None:
    """The system's own word for the missing file is in the message."""
    with pytest.raises(FreeholdError, match="No such file"):
        Artifact.open(tmp_path)


def test_a_newer_schema_and_an_unknown_field_are_refused(folder: Path) -> None:
    """What this version cannot read it does not guess at."""
    raw = msgspec.json.decode((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(msgspec.json.encode({**raw, "schema": 2}))
    with pytest.raises(FreeholdError, match="schema 2"):
        Artifact.open(folder)
    (folder / "manifest.json").write_bytes(msgspec.json.encode({**raw, "colour": "red"}))
    with pytest.raises(FreeholdError, match="colour"):
        Artifact.open(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a\0b", "a" * 300, "link"])
def test_a_file_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    """A manifest from elsewhere cannot point at the host's files, nor at what no file system can name."""
    (folder / "link").symlink_to("/etc/passwd")
    raw = msgspec.json.decode((folder / "manifest.json").read_bytes())
    raw["files"][name] = {"sha256": "00", "size": 1}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(raw))
    with pytest.raises(FreeholdError, match="no name of a file in its folder"):
        Artifact.open(folder)


def test_a_failed_write_leaves_the_old_bytes_and_nothing_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk shows when the data is flushed: the old file is still whole."""
    target = tmp_path / "file"
    write_durably(target, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(target, b"new")
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_each_device_has_its_dialect_of_the_graph(folder: Path) -> None:
    """Where a dialect is missing, the one graph serves all."""
    artifact = Artifact.open(folder)
    assert {artifact.graph_for(device) for device in ("cpu", "cuda", "openvino")} == {artifact.graph}
    for name in ("model.cuda.onnx", "model.portable.onnx"):
        (folder / name).write_bytes(b"dialect")
    names = [artifact.graph_for(device).name for device in ("cpu", "cuda", "openvino")]
    assert names == ["model.onnx", "model.cuda.onnx", "model.portable.onnx"]


def test_signatures_are_no_part_of_what_they_sign(folder: Path) -> None:
    """A file in `signatures/` is pinned by no manifest; the same name deeper down is a file like any other."""
    before = Artifact.open(folder)
    for place in (folder / SIGNATURES, folder / "deeper" / SIGNATURES):
        place.mkdir(parents=True)
        (place / "k.json").write_text("{}")
    after = write_manifest(folder, before.manifest)
    assert set(after.manifest.files) == {*before.manifest.files, f"deeper/{SIGNATURES}/k.json"}


def test_names_that_lead_elsewhere_are_found() -> None:
    """Out of the folder, onto the manifest or its signatures, or nowhere; all others are files."""
    good = ["model.onnx", "goldens/raw.json", "a/signatures/x", "..a", "模型.onnx", "a b"]
    bad = ["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/", "./a", "manifest.json", "signatures/x", "a\nb", "a\0b"]
    named = manifest(files={name: FileEntry("0" * 64, 1) for name in [*good, *bad]})
    assert stray_names(named) == bad
    assert unfit(named) == "'' is no name of a file in its folder"
    assert not unfit(manifest(files={name: FileEntry("0" * 64, 1) for name in good}))


def test_what_the_manifest_does_not_pin_is_found(folder: Path) -> None:
    """Files that came later, and links, which may lead to a whole folder; signatures are no such thing."""
    artifact = Artifact.open(folder)
    (folder / SIGNATURES).mkdir()
    (folder / SIGNATURES / "k.json").write_bytes(b"{}")
    assert unpinned(artifact) == set()
    (folder / "model.cuda.onnx").write_bytes(b"another")
    (folder / "more").symlink_to("goldens")
    assert unpinned(artifact) == {"model.cuda.onnx", "more"}


def test_a_file_is_linked_where_that_can_be(tmp_path: Path) -> None:
    """Else copied: /proc is another file system everywhere. What is not there is an error in both."""
    (tmp_path / "weights").write_bytes(b"weights")
    link_or_copy(tmp_path / "weights", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(tmp_path / "weights")
    link_or_copy("/proc/self/comm", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes()
    with pytest.raises(FileNotFoundError):
        link_or_copy(tmp_path / "absent", tmp_path / "none")
