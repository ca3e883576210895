"""Where a folder was fetched from, and that its artifact says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.graphs import build
from freehold.adapt.origin import NOTE, Origin, ancestors_of, license_with, origin_of, read_origin
from freehold.artifact import Ancestor, Artifact, FileEntry
from freehold.artifact.artifact import sha256_of
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
def fetched(encoder_folder: Make, tmp_path: Path) -> Path:
    """A tiny embedding model with a note."""
    folder = encoder_folder(tmp_path / "my-model")
    note_of(folder).write(folder)
    return folder


def test_a_note_is_read_as_it_was_written(fetched: Path) -> None:
    """And names the source as an ancestor."""
    origin = read_origin(fetched)
    assert origin == note_of(fetched)
    assert origin_of(fetched) == Ancestor("source", "hf://org/m", origin.digest, "c" * 40, "mit")
    assert origin.digest.startswith("sha256:")


def test_a_folder_without_a_note_has_no_origin(encoder_folder: Make, tmp_path: Path) -> None:
    """It may come from anywhere."""
    folder = encoder_folder(tmp_path / "plain")
    assert read_origin(folder) is None
    assert origin_of(folder) is None
    assert ancestors_of(None) == ()
    assert license_with(None) == ""


def test_a_changed_folder_is_no_longer_that_source(fetched: Path) -> None:
    """Tuned in place, for instance; a file that was removed changes nothing of the others."""
    (fetched / "tokenizer_config.json").unlink()
    assert origin_of(fetched) is not None
    weights = bytearray((fetched / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (fetched / "model.safetensors").write_bytes(bytes(weights))
    assert origin_of(fetched) is None


def test_digests_come_from_whoever_remembers_them(fetched: Path) -> None:
    """So that weights are not read twice."""
    asked: list[str] = []

    def remembered(path: Path) -> str:
        asked.append(path.name)
        return sha256_of(path)

    assert origin_of(fetched, remembered) is not None
    assert "model.safetensors" in asked


def test_a_broken_note_is_told(fetched: Path) -> None:
    """By its path."""
    (fetched / NOTE).write_text("{}")
    with pytest.raises(FreeholdError) as failure:
        origin_of(fetched)
    assert failure.value.code == "model_folder_invalid"


def test_an_artifact_carries_its_source(fetched: Path, tmp_path: Path) -> None:
    """With revision and licence; another revision is another artifact, no note the one that always was."""
    built = build(fetched, tmp_path / "cache")
    manifest = Artifact.open(built).manifest
    assert manifest.ancestors == (origin_of(fetched),)
    assert manifest.license == "mit"
    note_of(fetched, revision="d" * 40).write(fetched)
    assert build(fetched, tmp_path / "cache") != built
    (fetched / NOTE).unlink()
    plain = Artifact.open(build(fetched, tmp_path / "cache")).manifest
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
