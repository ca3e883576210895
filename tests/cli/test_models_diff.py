"""`freehold models diff`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from freehold.artifact import Artifact, MadeBy, Manifest, write_manifest
from freehold.cli.references import local_store
from freehold.config import parse
from freehold.store import Store
from freehold.store.oci import REPORT

from .conftest import write_mlp


def add(store: Store, folder: Path, scale: float, without: str = "", **fields: Any) -> Artifact:
    """An artifact around a small graph, in which nodes of the type `without` are another."""
    folder.mkdir()
    path = write_mlp(folder / "model.onnx", scale)
    model = onnx.load(path)
    for node in model.graph.node:
        node.op_type = "Relu" if node.op_type == without else node.op_type
    onnx.save(model, path)
    made_by = MadeBy("test", "1", f"sha256:{'0' * 64}")
    manifest = Manifest(1, "mlp", "tensor", "tensor", "fp32", (), (), made_by, {}, **fields)
    artifact = write_manifest(folder, manifest)
    store.add(folder, "mlp")
    return artifact


@pytest.fixture
def store(folder: Path) -> Store:
    """mlp:1; mlp:2 with other values; mlp:3 with another operator, a license and a report."""
    store = local_store(os.environ)
    add(store, folder / "one", 1.0)
    add(store, folder / "two", 2.0)
    add(store, folder / "three", 1.0, without="Tanh", license="mit")
    store.attach(store.find(parse("mlp:3")), REPORT, {"report.json": b'{"cosine": 0.5}'})
    return store


def test_graphs_manifests_metrics_and_sizes(store: Store, freehold: Callable[..., Any]) -> None:
    """What differs, on both sides."""
    data = freehold("models", "diff", "mlp:1", "mlp:3", "--json").data
    assert data["graphs"] == {"model.onnx": {"operators": {"Tanh": {"a": 1, "b": None}, "Relu": {"a": None, "b": 1}}}}
    assert data["manifest"] == {"license": {"a": None, "b": "mit"}}
    assert data["metrics"] == {"cosine": {"a": None, "b": 0.5}}
    assert set(data["files"]) == {"model.onnx"}
    text = freehold("models", "diff", "mlp:1", "mlp:3").out
    for part in ("model.onnx: operators", "Relu  - -> 1", "license  - -> mit", "cosine  - -> 0.5", "bytes"):
        assert part in text


def test_other_values_in_the_same_graph(store: Store, freehold: Callable[..., Any]) -> None:
    """Said in words, since no count differs."""
    assert freehold("models", "diff", "mlp:1", "mlp:2", "--json").data["graphs"] == {"model.onnx": {}}
    assert "other values" in freehold("models", "diff", "mlp:1", "mlp:2").out


def test_an_artifact_is_itself(store: Store, freehold: Callable[..., Any]) -> None:
    """Under any tag; what is not there is named."""
    store.tag(parse("mlp:1"), "prod")
    assert freehold("models", "diff", "mlp:1", "mlp:prod", "--json").data["same"] is True
    assert "the same artifact" in freehold("models", "diff", "mlp:1", "mlp:prod").out
    assert freehold("models", "diff", "mlp:1", "mlp:9", "--json").error["code"] == "store_tag_unknown"


def test_long_lists_are_cut_for_people(folder: Path, store: Store, freehold: Callable[..., Any]) -> None:
    """JSON has all of them."""
    add(store, folder / "four", 1.0, made_with={f"package-{number:02}": "1" for number in range(20)})
    assert len(freehold("models", "diff", "mlp:1", "mlp:4", "--json").data["manifest"]) == 20
    text = freehold("models", "diff", "mlp:1", "mlp:4").out
    assert "and 8 more" in text
