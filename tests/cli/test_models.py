"""`freehold models`: what the store has, from the command line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.artifact import Ancestor, Artifact, MadeBy, Manifest, TensorSpec, write_manifest
from freehold.cli.references import local_store
from freehold.config import parse
from freehold.store import Store
from freehold.store.oci import REPORT

from .conftest import Ran, write_mlp

Freehold = Callable[..., Ran]


def mlp_artifact(folder: Path, scale: float = 1.0, **fields: Any) -> Path:
    """An artifact around a small graph."""
    folder.mkdir()
    write_mlp(folder / "model.onnx", scale)
    known: dict[str, Any] = {
        "schema": 1,
        "name": "mlp",
        "kind": "tensor",
        "layout": "tensor",
        "precision": "fp32",
        "inputs": (TensorSpec("x", "FP32", (-1, 16)),),
        "outputs": (TensorSpec("y", "FP32", (-1, 4)),),
        "made_by": MadeBy("test", "1", f"sha256:{'0' * 64}"),
        "files": {},
    }
    write_manifest(folder, Manifest(**{**known, **fields}))
    return folder


@pytest.fixture
def store(folder: Path) -> Store:
    """The user's store with mlp:1 and mlp:2, its quantized child with a report."""
    store = local_store(os.environ)
    ancestors = (Ancestor("source", "mlp.pt", f"sha256:{'1' * 64}", license="mit"),)
    first = store.add(mlp_artifact(folder / "first", license="mit", ancestors=ancestors), "mlp")
    child = mlp_artifact(folder / "second", 2.0, parent=first.digest, precision="int8", made_with={"opset": "17"})
    store.attach(store.add(child, "mlp"), REPORT, {"report.json": b'{"cosine": {"mean": 0.999}}'})
    return store


def test_an_empty_store_says_how_to_fill_it(folder: Path, freehold: Freehold) -> None:
    """And is an empty list for programs; gc finds nothing to do."""
    assert "freehold models add" in freehold("models", "list").out
    assert freehold("models", "list", "--json").data == []
    assert freehold("models", "gc", "--json").data["blobs"] == 0


def test_list_has_a_row_for_each_tag(store: Store, freehold: Freehold) -> None:
    """Name, tag, digest, kind, what it came from; of one name when asked, which must be there."""
    rows = freehold("models", "list", "--json").data
    assert [(row["name"], row["tag"], row["kind"], row["precision"]) for row in rows] == [
        ("mlp", "1", "tensor", "fp32"),
        ("mlp", "2", "tensor", "int8"),
    ]
    assert rows[1]["parent"] == rows[0]["digest"] == store.find(parse("mlp:1")).digest
    table = freehold("models", "list", "mlp").out.splitlines()
    assert table[0].split()[:3] == ["NAME", "TAG", "DIGEST"]
    assert table[2].split()[:3] == ["mlp", "2", rows[1]["digest"][7:19]]
    assert len(freehold("models", "list", "mlp:2", "--json").data) == 2, "of the name, whatever tag stands with it"
    assert freehold("models", "list", "absent", "--json").error["code"] == "store_name_unknown"


def test_show_tells_all_of_one(store: Store, freehold: Freehold) -> None:
    """Both digests, where it came from, its files, reports and what they measured."""
    stored = store.find(parse("mlp:2"))
    data = freehold("models", "show", "mlp", "--json").data
    assert (data["digest"], data["oci_digest"]) == (stored.digest, stored.oci_digest)
    assert (data["parent_refs"], data["metrics"]) == (["mlp:1"], {"cosine.mean": 0.999})
    assert data["attached"][0]["artifact_type"] == REPORT
    assert data["manifest"]["precision"] == "int8"
    told = freehold("models", "show", "mlp:2").out
    for part in (stored.oci_digest, "parent     sha256:", "mlp:1", "opset 17", "model.onnx", "cosine.mean = 0.999"):
        assert part in told
    assert "source mlp.pt" in freehold("models", "show", "mlp:1").out
    assert freehold("models", "show", "./mlp", "--json").error["code"] == "store_ref_wanted"


def test_show_tells_of_a_report_s_tables_how_long_they_are(store: Store, freehold: Freehold) -> None:
    """A sensitivity of a hundred weights is for programs."""
    report = b'{"sensitivity": [{"name": "a", "loss": 0.5}, {"name": "b", "loss": 0.1}], "seconds": [0.2, 0.1]}'
    store.attach(store.find(parse("mlp:2")), REPORT, {"report.json": report})
    told = freehold("models", "show", "mlp:2").out
    assert "sensitivity = 2 rows, which --json has" in told
    assert "seconds = [0.2, 0.1]" in told
    assert freehold("models", "show", "mlp:2", "--json").data["metrics"]["sensitivity"][1]["name"] == "b"


def test_add_takes_artifacts_and_model_folders(
    folder: Path, tiny_bert_folder: Path, mlp: Path, freehold: Freehold
) -> None:
    """Of a model folder the artifact that is written of it; a bare graph is sent through convert."""
    artifact = mlp_artifact(folder / "artifact")
    added = freehold("models", "add", str(artifact), "--name", "mlp", "--json").data
    assert (added["tag"], added["digest"]) == ("1", Artifact.open(artifact).digest)
    assert freehold("models", "add", str(artifact), "--name", "mlp", "--tag", "best").out.startswith(
        "mlp:best  sha256:"
    )
    assert freehold("models", "add", str(tiny_bert_folder), "--name", "tiny", "--json").data["kind"] == "embed"
    refused = freehold("models", "add", str(mlp), "--name", "bare", "--json").error
    assert refused["code"] == "store_add_graph"
    assert "freehold convert" in refused["fix"]
    assert freehold("models", "add", "absent", "--name", "a", "--json").error["code"] == "model_path_missing"


def test_tags_are_set_shown_and_taken_away(store: Store, freehold: Freehold) -> None:
    """Of this name or another; the history says who and when."""
    assert freehold("models", "tag", "mlp:1", "prod", "--json").data["tag"] == "prod"
    freehold("models", "tag", "mlp:2", "prod")
    assert freehold("models", "tag", "mlp:prod", "served:live", "--json").data["name"] == "served"
    moves = freehold("models", "tag", "mlp:prod", "--json").data
    digests = [store.find(parse(ref)).digest for ref in ("mlp:1", "mlp:2")]
    assert [(move.get("before", ""), move["after"]) for move in moves] == [("", digests[0]), tuple(digests)]
    assert moves[0]["by"].endswith(os.uname().nodename)
    assert f"{digests[0][7:19]} -> {digests[1][7:19]}" in freehold("models", "tag", "mlp").out
    assert freehold("models", "tag", "mlp:prod", "--delete", "--json").data["digest"] == digests[1]
    assert freehold("models", "tag", "mlp:prod", "--json").data[-1]["before"] == digests[1]
    for words in (("mlp", "--delete"), ("mlp:1", "x", "--delete")):
        assert freehold("models", "tag", *words, "--json").error["code"] == "store_tag_wanted"
    assert freehold("models", "tag", "mlp:never", "--json").error["code"] == "store_tag_unknown"
    assert freehold("models", "tag", "mlp:1", "-x", "--json").code == 2
    assert freehold("models", "tag", "mlp:1", "a:b:c", "--json").error["code"] == "store_name_invalid"


def test_rm_frees_what_nothing_else_needs(store: Store, freehold: Freehold) -> None:
    """At once; while somebody adds, the next gc frees it."""
    removed = freehold("models", "rm", "mlp:1", "--json").data
    assert [entry["tag"] for entry in removed["removed"]] == ["1"]
    assert removed["bytes"] > 500
    with store.writing():
        assert freehold("models", "rm", "mlp:2", "--json").data["bytes"] == 0
    assert "Removed" in freehold("models", "gc").out
    assert freehold("models", "list", "--json").data == []
    assert list(store.blobs.folder.iterdir()) == []


def test_gc_can_be_looked_at_first(store: Store, freehold: Freehold) -> None:
    """The plan and the deed name the same; folders in use are named."""
    store.path_of(store.find(parse("mlp:1")))
    freehold("models", "tag", "mlp:1", "--delete")
    plan = freehold("models", "gc", "--plan", "--untagged", "--json").data
    assert len(store.list()) == 2
    done = freehold("models", "gc", "--untagged", "--json").data
    assert {**plan, "plan": False} == done
    assert (done["blobs"], len(done["in_use"])) == (3, 1)
    assert len(store.list()) == 1
    assert "is in use and stays" in freehold("models", "gc", "--plan").out
    store.close()
    assert freehold("models", "gc", "--unused-days", "0").code == 0
    assert list(store.folders.root.iterdir()) == []
