"""Where a folder was fetched from, and that its artifact says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.graphs import build
from freehold.adapt.origin import NOTE, Origin, ancestors_of, fetched, license_with, origin_of, read_origin
from freehold.artifact import Ancestor, Artifact, FileEntry
from freehold.artifact.artifact import sha256_of
from freehold.config import parse
from freehold.errors import FreeholdError

Make = Callable[..., Path]


def note_of(folder: Path, **changes: Any) -> Origin:
    """A note about every file of `folder`."""
    files = {
        str(path.relative_to(folder)): FileEntry(sha256_of(path), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.name != NOTE
    }
    said = {"uri": "hf://org/m", "revision": "c" * 40, "license": "mit", "files": files, **changes}
    return Origin(**said)


@pytest.fixture
def noted(encoder_folder: Make, tmp_path: Path) -> Path:
    """A tiny embedding model with a note."""
    folder = encoder_folder(tmp_path / "my-model")
    note_of(folder).write(folder)
    return folder


def test_a_note_is_read_as_it_was_written(noted: Path) -> None:
    """And names the source as an ancestor."""
    origin = read_origin(noted)
    assert origin == note_of(noted)
    assert origin_of(noted) == Ancestor("source", "hf://org/m", origin.digest, "c" * 40, "mit")
    assert origin.digest.startswith("sha256:")


def test_a_folder_without_a_note_has_no_origin(encoder_folder: Make, tmp_path: Path) -> None:
    """It may come from anywhere."""
    folder = encoder_folder(tmp_path / "plain")
    assert read_origin(folder) is None
    assert origin_of(folder) is None
    assert ancestors_of(None) == ()
    assert license_with(None) == ""


def test_a_changed_folder_is_no_longer_that_source(noted: Path) -> None:
    """Tuned in place, for instance; a file that was removed changes nothing of the others."""
    (noted / "tokenizer_config.json").unlink()
    assert origin_of(noted) is not None
    weights = bytearray((noted / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (noted / "model.safetensors").write_bytes(bytes(weights))
    assert origin_of(noted) is None


def test_digests_come_from_whoever_remembers_them(noted: Path) -> None:
    """So that weights are not read twice."""
    asked: list[str] = []

    def remembered(path: Path) -> str:
        asked.append(path.name)
        return sha256_of(path)

    assert origin_of(noted, remembered) is not None
    assert "model.safetensors" in asked


def test_a_broken_note_is_told(noted: Path) -> None:
    """By its path."""
    (noted / NOTE).write_text("{}")
    with pytest.raises(FreeholdError) as failure:
        origin_of(noted)
    assert failure.value.code == "model_folder_invalid"


def test_an_artifact_carries_its_source(noted: Path, tmp_path: Path) -> None:
    """With revision and licence; another revision is another artifact, no note the one that always was."""
    built = build(noted, tmp_path / "cache")
    manifest = Artifact.open(built).manifest
    assert manifest.ancestors == (origin_of(noted),)
    assert manifest.license == "mit"
    note_of(noted, revision="d" * 40).write(noted)
    assert build(noted, tmp_path / "cache") != built
    (noted / NOTE).unlink()
    plain = Artifact.open(build(noted, tmp_path / "cache")).manifest
    assert (plain.ancestors, plain.license) == ((), "")


def test_decoders_carry_theirs(tiny_decoder: Make, causal_embedder_folder: Path, tmp_path: Path) -> None:
    """Those that generate and those that embed."""
    for folder in (tiny_decoder(), causal_embedder_folder):
        copied = tmp_path / folder.name
        copied.mkdir()
        for path in (path for path in folder.rglob("*") if path.is_file()):
            (copied / path.relative_to(folder)).parent.mkdir(exist_ok=True)
            (copied / path.relative_to(folder)).write_bytes(path.read_bytes())
        note_of(copied, uri="ms://org/m").write(copied)
        manifest = Artifact.open(build(copied, tmp_path / "cache")).manifest
        assert [ancestor.name for ancestor in manifest.ancestors] == ["ms://org/m"]
        assert manifest.license == "mit"


def test_a_fetched_repository_is_found_again(encoder_folder: Make, tmp_path: Path) -> None:
    """By its name; by the revision that was asked for, by its commit, and not by another one."""
    folder = encoder_folder(tmp_path / "org" / "m")
    assert fetched(parse("hf://org/m"), tmp_path) is None
    note_of(folder, asked="v1").write(folder)
    for source in ("hf://org/m", "hf://org/m@v1", f"hf://org/m@{'c' * 40}"):
        assert fetched(parse(source), tmp_path) == folder
    for source in ("hf://org/m@v2", "ms://org/m", "hf://org/n"):
        assert fetched(parse(source), tmp_path) is None
