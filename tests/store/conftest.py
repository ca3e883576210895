"""Small artifacts for a store, and a store of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.artifact import MadeBy, Manifest, TensorSpec, write_manifest
from freehold.store import Store

MakeArtifact = Callable[..., Path]


def artifact_in(folder: Path, weights: bytes = b"weights", **fields: Any) -> Path:
    """An artifact folder whose graph is `weights`, with a golden and a README; `fields` go into its manifest."""
    (folder / "goldens").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(weights)
    (folder / "goldens" / "raw.json").write_text("{}")
    (folder / "README.md").write_text("A model.")
    known: dict[str, Any] = {
        "schema": 1,
        "name": "m",
        "kind": "tensor",
        "layout": "tensor",
        "precision": "fp32",
        "inputs": (TensorSpec("x", "FP32", (-1, 4)),),
        "outputs": (TensorSpec("y", "FP32", (-1, 2)),),
        "made_by": MadeBy("test", "1", f"sha256:{'0' * 64}"),
        "files": {},
    }
    write_manifest(folder, Manifest(**{**known, **fields}))
    return folder


@pytest.fixture
def make_artifact(tmp_path: Path) -> MakeArtifact:
    """`make_artifact(weights, **fields)` writes an artifact folder and returns it."""
    made: list[Path] = []

    def make(weights: bytes = b"weights", **fields: Any) -> Path:
        made.append(artifact_in(tmp_path / f"artifact-{len(made)}", weights, **fields))
        return made[-1]

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home" / "store")
