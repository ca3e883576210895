"""Artifacts as folders, and who holds them."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.artifact import Artifact
from freehold.errors import FreeholdError
from freehold.store import Store, Stored
from freehold.store.folders import ASIDE, Folders


@pytest.fixture
def stored(store: Store, make_artifact: Callable[..., Path]) -> Stored:
    """One artifact of the store."""
    return store.add(make_artifact(), "m")


def test_a_folder_is_an_artifact_over_the_blobs(store: Store, stored: Stored) -> None:
    """Whole, without a second copy of the bytes; the second time the same one."""
    path = store.path_of(stored)
    artifact = Artifact.open(path)
    artifact.check_files()
    assert artifact.digest == stored.digest
    blob = store.blobs.path(f"sha256:{artifact.manifest.files['model.onnx'].sha256}")
    assert (path / "model.onnx").samefile(blob)
    assert store.path_of(stored) == path
    assert Store(store.root).path_of(stored) == path


def test_a_damaged_folder_is_made_again(store: Store, stored: Stored) -> None:
    """By whoever finds it: a file that is gone, or of another size."""
    path = store.path_of(stored)
    (path / "README.md").unlink()
    assert Artifact.open(Store(store.root).path_of(stored)).digest == stored.digest
    (path / "model.onnx").unlink()
    (path / "model.onnx").write_bytes(b"longer than it was")
    assert Artifact.open(store.path_of(stored)).digest == stored.digest
    assert [entry.name for entry in store.folders.root.iterdir()] == [path.name]


def test_damaged_content_becomes_no_folder(store: Store, stored: Stored) -> None:
    """Every blob is read before the first engine opens it."""
    blob = store.blobs.path(f"sha256:{stored.manifest.files['model.onnx'].sha256}")
    blob.chmod(0o644)
    blob.write_bytes(b"weightz")
    with pytest.raises(FreeholdError, match="store_blob_corrupt"):
        store.path_of(stored)
    with pytest.raises(FreeholdError, match="store_blob_missing"):
        store.path_of(stored)
    assert list(store.folders.root.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK])
def test_files_are_copied_where_they_cannot_be_linked(
    store: Store, stored: Stored, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """On another file system, or when a blob has as many names as it may."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    path = store.path_of(stored)
    Artifact.open(path).check_files()
    assert (path / "model.onnx").stat().st_nlink == 1


def test_a_folder_in_use_stays(store: Store, stored: Stored) -> None:
    """Whoever was handed it holds it, until it closes; an idle one goes, and can be made again."""
    path = store.path_of(stored)
    other = Store(store.root)
    assert not other.folders.remove(path)
    assert path.is_dir()
    store.close()
    assert other.folders.remove(path, plan=True)
    assert path.is_dir()
    assert other.folders.remove(path)
    assert not path.exists()
    assert other.folders.remove(path), "what is gone is removed"
    assert Artifact.open(store.path_of(stored)).digest == stored.digest


def test_any_folder_can_be_kept(store: Store, tmp_path: Path) -> None:
    """As written graphs are; one that is gone cannot."""
    kept = tmp_path / "graph"
    kept.mkdir()
    assert store.folders.keep(kept)
    assert store.folders.keep(kept)
    assert not Folders(tmp_path, store.blobs).remove(kept)
    assert not store.folders.keep(tmp_path / "absent")
    store.close()
    assert Folders(tmp_path, store.blobs).remove(kept)


def test_two_who_make_one_folder_end_with_one(store: Store, stored: Stored) -> None:
    """The second finds the first one's in its place and takes that."""
    path = store.path_of(stored)
    copy = path.with_name(f"{ASIDE}copy")
    shutil.copytree(path, copy)
    store.folders._put(copy, path, stored.digest)
    assert Artifact.open(path).digest == stored.digest
    assert copy.is_dir(), "its maker removes it"
