"""Goldens of artifacts that lie in the store."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.artifact import Artifact, Golden, RecordedBy
from freehold.cli.golden_store import add_with_golden, refuse_stored
from freehold.cli.references import local_store
from freehold.config import parse
from freehold.errors import FreeholdError
from freehold.store import Store

GOLDEN = Golden(RecordedBy("freehold", "1", "sha256:0"), ())


@pytest.fixture
def store(folder: Path, tiny_artifact: Path) -> Store:
    """The user's store, with one artifact without goldens."""
    store = local_store(os.environ)
    store.add(tiny_artifact, "tiny")
    return store


def test_a_golden_makes_a_new_artifact(store: Store) -> None:
    """Its parent is the one it was recorded with, which stays as it was; both share all else."""
    before = store.find(parse("tiny:1"))
    made = add_with_golden(store, before, "freehold.json", GOLDEN)
    assert (made.ref, made.manifest.parent) == ("tiny:2", before.digest)
    assert set(made.manifest.files) - set(before.manifest.files) == {"goldens/freehold.json"}
    Artifact.open(store.path_of(before)).check_files()
    Artifact.open(store.path_of(made)).check_files()
    assert len(list(store.folders.root.iterdir())) == 2, "nothing is left of the making"


def test_files_are_copied_where_they_cannot_be_linked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The artifact is the same."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    before = store.find(parse("tiny:1"))
    store.path_of(before)
    linked = add_with_golden(store, before, "freehold.json", GOLDEN)
    monkeypatch.setattr(os, "link", refuse)
    assert add_with_golden(store, before, "freehold.json", GOLDEN).digest == linked.digest


def test_a_stored_folder_is_not_written_to(store: Store, folder: Path) -> None:
    """Named by its path it is refused, with the reference to use."""
    path = store.path_of(store.find(parse("tiny:1")))
    with pytest.raises(FreeholdError, match="store_in_stored_folder") as told:
        refuse_stored(path / "goldens" / "freehold.json", store)
    assert "tiny:1" in told.value.fix
    refuse_stored(folder / "elsewhere.json", store)


def test_record_by_reference(store: Store, freehold: Callable[..., Any]) -> None:
    """The new artifact's reference and digest; replayed, it proves itself. By path it is refused."""
    before = store.find(parse("tiny:1"))
    made = freehold("golden", "record", "tiny:1", "--json").data
    assert (made["ref"], made["previous_digest"]) == ("tiny:2", before.digest)
    assert made["digest"] == store.find(parse("tiny:2")).digest
    assert freehold("golden", "check", "tiny:2").code == 0
    assert "is the new artifact" in freehold("golden", "record", "tiny:2", "--force").out
    refused = freehold("golden", "record", str(store.path_of(before)), "--json")
    assert (refused.code, refused.error["code"]) == (1, "store_in_stored_folder")
    assert Artifact.open(store.path_of(before)).digest == before.digest
