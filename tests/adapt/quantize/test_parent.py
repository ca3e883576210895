"""What can be quantized: artifacts, and .onnx files."""

from pathlib import Path

import msgspec
import pytest

from freehold.adapt.quantize.parent import Parent
from freehold.artifact import Artifact, write_manifest
from freehold.errors import FreeholdError


def test_file(mlp: Path) -> None:
    """A file gets a manifest of its inputs and outputs, and brings the goldens beside it."""
    parent = Parent.open(mlp)
    manifest = parent.manifest
    assert (manifest.kind, manifest.name, manifest.inputs[0].shape) == ("tensor", "mlp", (-1, 64))
    assert parent.digest == ""
    assert manifest.ancestors[0].name == "mlp.onnx"
    assert len(parent.examples()) == 4
    assert parent.graph_bytes == mlp.stat().st_size


def test_artifact(embedder: Path, tmp_path: Path) -> None:
    """Of an artifact all goes along but graphs, weights and manifest."""
    parent = Parent.open(embedder)
    assert parent.digest == Artifact.open(embedder).digest
    parent.copy_rest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]


def test_file_copies_goldens(mlp: Path, tmp_path: Path) -> None:
    """Of a file the goldens go along."""
    (tmp_path / "new").mkdir()
    Parent.open(mlp).copy_rest(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new" / "goldens").iterdir()] == ["numpy.json"]


def test_already(mlp: Path, tmp_path: Path) -> None:
    """An artifact that is not in fp32 is not quantized again."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    write_manifest(folder, msgspec.structs.replace(Parent.open(mlp).manifest, precision="int8"))
    with pytest.raises(FreeholdError) as raised:
        Parent.open(folder)
    assert raised.value.code == "quantize_already"


def test_damaged(embedder: Path, tmp_path: Path) -> None:
    """A file that is not what the manifest says is told before anything starts."""
    for path in embedder.rglob("*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    data = bytearray((tmp_path / "model.onnx.data").read_bytes())
    data[100] ^= 1
    (tmp_path / "model.onnx.data").write_bytes(data)
    with pytest.raises(FreeholdError) as raised:
        Parent.open(tmp_path)
    assert raised.value.code == "artifact_corrupt"
