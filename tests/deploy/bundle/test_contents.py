"""What a configuration's bundle has."""

from pathlib import Path

import pytest

from freehold.config import Source
from freehold.deploy.bundle.contents import artifacts_of, files_below, models_of
from freehold.errors import FreeholdError
from tests.deploy.configured import configured

from .made import stored


def test_artifacts_come_once_with_what_is_said_about_them(tmp_path: Path) -> None:
    """Also where two models have one; one that is not in the store is an error of the store."""
    store = stored(tmp_path)
    (found,) = artifacts_of(configured("models: [{id: a, source: mlp:1}, {id: b, source: mlp:1}]"), store)
    at = store.find(Source("store", "mlp", "1"))
    assert (found.artifact.name, found.artifact.tag, found.artifact.oci_digest) == ("mlp", "1", at.oci_digest)
    assert len(found.artifact.referrers) == 1
    assert {at.oci_digest, at.digest, *found.artifact.referrers} < {part.digest for part in found.blobs}
    with pytest.raises(FreeholdError) as caught:
        artifacts_of(configured("models: [{id: a, source: other:1}]"), store)
    assert caught.value.code == "store_name_unknown"


def test_models_of_hubs_keep_their_place_and_paths_get_one(tmp_path: Path) -> None:
    """What another server computes has no files."""
    text = "models: [{id: a, source: 'hf://BAAI/bge'}, {id: B_x, source: /srv/m}, {id: far, source: 'https://c/v1'}]"
    found = models_of(configured(text), lambda source: tmp_path / source.rpartition("/")[2])
    assert [(model.id, model.folder, place.name) for model, place in found] == [
        ("a", "models/BAAI/bge", "bge"),
        ("B_x", "models/path/b-x", "m"),
    ]


def test_every_file_of_a_model_is_listed(tmp_path: Path) -> None:
    """Those that are links too; a file alone is itself."""
    (tmp_path / "m" / "onnx").mkdir(parents=True)
    (tmp_path / "m" / "onnx" / "model.onnx").write_text("1")
    (tmp_path / "blob").write_text("2")
    (tmp_path / "m" / "a.json").symlink_to(tmp_path / "blob")
    assert [name for name, _ in files_below(tmp_path / "m")] == ["a.json", "onnx/model.onnx"]
    assert [name for name, _ in files_below(tmp_path / "blob")] == ["blob"]
