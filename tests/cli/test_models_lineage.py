"""`freehold models lineage`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.artifact import Ancestor, MadeBy, Manifest, write_manifest
from freehold.cli.references import local_store
from freehold.store import Store

DATA = Ancestor("data", "letters.jsonl", f"sha256:{'1' * 64}")
BASE = Ancestor("base", "hf://org/base", revision="v2", license="mit")
CALIBRATION = Ancestor("data", "calibration.jsonl")


def add(store: Store, folder: Path, **fields: Any) -> str:
    """An artifact of one file named by its folder; its digest."""
    folder.mkdir()
    (folder / "model.onnx").write_text(folder.name)
    known: dict[str, Any] = {"precision": "fp32", **fields}
    made_by = MadeBy("test", "1", f"sha256:{'0' * 64}")
    manifest = Manifest(1, "m", "tensor", "tensor", inputs=(), outputs=(), made_by=made_by, files={}, **known)
    write_manifest(folder, manifest)
    return store.add(folder, "m").digest


@pytest.fixture
def store(folder: Path) -> Store:
    """m:1 of data and a base; m:2 and m:3 quantized from it, m:2 with data of its own."""
    store = local_store(os.environ)
    first = add(store, folder / "one", ancestors=(DATA, BASE))
    add(store, folder / "two", parent=first, precision="int8", ancestors=(DATA, BASE, CALIBRATION))
    add(store, folder / "three", parent=first, precision="int4", ancestors=(DATA, BASE))
    return store


def test_the_tree_is_drawn_in_text(store: Store, freehold: Callable[..., Any]) -> None:
    """From the data down, with what went in beside, and a mark at the one that was asked for."""
    lines = freehold("models", "lineage", "m:2").out.splitlines()
    assert [line.split()[0] for line in lines[:1]] == ["data"]
    assert lines[1].startswith("└─ base        hf://org/base  at v2")
    assert lines[2].startswith("   └─ onnx        m:1  tensor fp32")
    assert lines[3].startswith("      ├─ quantized   m:2  tensor int8")
    assert lines[3].endswith("<- this")
    assert lines[4] == "      │     with data        calibration.jsonl"
    assert lines[5].startswith("      └─ quantized   m:3  tensor int4")
    assert len(lines) == 6


def test_the_tree_is_data_for_programs(store: Store, freehold: Callable[..., Any]) -> None:
    """Nested, with digests and roles."""
    tree = freehold("models", "lineage", "m", "--json").data
    onnx = tree["children"][0]["children"][0]
    assert (tree["role"], onnx["role"], onnx["refs"]) == ("data", "onnx", ["m:1"])
    assert [child["asked"] for child in onnx["children"]] == [False, True]
    assert onnx["children"][0]["inputs"][0]["title"] == "calibration.jsonl"


def test_the_tree_is_a_page(store: Store, folder: Path, freehold: Callable[..., Any]) -> None:
    """Written where asked; a place that cannot be written is said."""
    assert freehold("models", "lineage", "m:1", "--html", "tree.html").code == 0
    assert "<svg" in (folder / "tree.html").read_text()
    refused = freehold("models", "lineage", "m:1", "--html", "absent/tree.html", "--json")
    assert refused.error["code"] == "report_unwritable"
