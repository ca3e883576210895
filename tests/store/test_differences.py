"""How two artifacts differ."""

from collections.abc import Callable
from pathlib import Path

from freehold.artifact import Limits
from freehold.store import Store
from freehold.store.differences import (
    Change,
    FileChange,
    file_changes,
    flat,
    manifest_changes,
    metric_changes,
    metrics_of,
)
from freehold.store.oci import REPORT


def test_manifests_and_files_are_compared(store: Store, make_artifact: Callable[..., Path]) -> None:
    """By dotted names; a file of the same content is no difference."""
    a = store.add(make_artifact(b"a", limits=Limits(256, 512)), "m").manifest
    folder = make_artifact(b"longer", limits=Limits(128, 512), license="mit", made_with={"torch": "2"})
    b = store.add(folder, "m").manifest
    assert manifest_changes(a, b) == {
        "limits.max_tokens": Change(256, 128),
        "license": Change(None, "mit"),
        "made_with.torch": Change(None, "2"),
    }
    assert file_changes(a, b) == {"model.onnx": FileChange(1, 6)}
    assert manifest_changes(a, a) == file_changes(a, a) == {}


def test_what_reports_measured_is_flat(store: Store, make_artifact: Callable[..., Path]) -> None:
    """The later report counts; other types, and files that are no JSON object, are passed over."""
    stored = store.add(make_artifact(), "m")
    store.attach(stored, REPORT, {"report.json": b'{"cosine": {"mean": 0.9, "min": 0.8}, "layers": [1, 2]}'})
    store.attach(stored, REPORT, {"report.json": b'{"cosine": {"mean": 0.99}}', "page.html": b"<html>"})
    store.attach(stored, "t/signature", {"signature.json": b'{"sig": "x"}'})
    metrics = metrics_of(store, stored)
    assert metrics == {"cosine.mean": 0.99, "cosine.min": 0.8, "layers": [1, 2]}
    assert metric_changes(metrics, {"cosine.mean": 0.99, "speed": 2}) == {
        "cosine.min": Change(0.8, None),
        "layers": Change([1, 2], None),
        "speed": Change(None, 2),
    }
    assert flat({"a": {"b": {}}, "c": 1}) == {"a.b": {}, "c": 1}
