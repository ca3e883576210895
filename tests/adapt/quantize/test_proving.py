"""What a quantized artifact may differ by."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from freehold.adapt.quantize.forms import Blocks, Dynamic, Form
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.proving import LEAST_GAP, MARGIN, prove
from freehold.adapt.quantize.quality import Quality
from freehold.adapt.quantize.rewrite import rewrite
from freehold.adapt.quantize.units import FloatGraph
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, save_golden, write_manifest
from freehold.artifact.compare import Tolerance
from freehold.errors import FreeholdError


def written(parent: Parent, folder: Path, form: Form | None) -> Artifact:
    """The artifact of a parent in one form, before its proof."""
    folder.mkdir()
    parent.copy_rest(folder)
    graph = FloatGraph.open(parent.graph)
    made = rewrite(graph, {unit.name: form for unit in graph.units} if form else {})
    made.data.save(folder)
    made.save(folder / "model.onnx")
    return write_manifest(folder, msgspec.structs.replace(parent.manifest, precision="int8", files={}))


def test_gap_of_tensors(mlp: Path, tmp_path: Path) -> None:
    """Tensors may part by the worst gap that goldens and examples showed, with the margin."""
    artifact = written(Parent.open(mlp), tmp_path / "new", Dynamic())
    manifest, proof = prove(artifact, Quality(1, max_abs=0.001))
    assert proof.raw
    assert proof.cases == 4
    assert proof.max_abs is not None
    assert manifest.tolerance == Tolerance(max_abs=float(f"{MARGIN * max(proof.max_abs, 0.001):.3g}"))
    wider, _ = prove(artifact, Quality(1, max_abs=3.0))
    assert wider.tolerance == Tolerance(max_abs=MARGIN * 3.0)


def test_least_gap(mlp: Path, tmp_path: Path) -> None:
    """What has lost nothing may still part by fp32's own tolerance."""
    manifest, _ = prove(written(Parent.open(mlp), tmp_path / "new", None), Quality(1, max_abs=0.0))
    assert manifest.tolerance == Tolerance(max_abs=LEAST_GAP)


def test_angle_of_embeddings(embedder: Path, tmp_path: Path) -> None:
    """Embeddings may turn by the worst angle that was measured, with the margin."""
    artifact = written(Parent.open(embedder), tmp_path / "new", Blocks(8, 32))
    manifest, proof = prove(artifact, Quality(1, cosine_min=0.99))
    assert manifest.tolerance == Tolerance(cosine_min=pytest.approx(1 - MARGIN * 0.01, abs=2e-6))
    assert (proof.cases, proof.raw) == (0, False)


def test_an_example_that_came_out_as_no_number(mlp: Path, tmp_path: Path) -> None:
    """Its gap is infinite, and that is found also where the goldens themselves come out well."""
    artifact = written(Parent.open(mlp), tmp_path / "new", Dynamic())
    with pytest.raises(FreeholdError, match="not all numbers"):
        prove(artifact, Quality(1, max_abs=float("inf")))


def test_outputs_that_must_be_equal(mlp: Path, tmp_path: Path) -> None:
    """A golden that no tolerance covers, here one of another shape, fails."""
    parent = Parent.open(mlp)
    x = Tensor.of(np.zeros((2, 64), np.float32))
    wrong = Golden(
        RecordedBy("numpy", "2", "sha256:" + "0" * 64), (Case({"x": x}, {"y": Tensor.of(np.zeros(3, np.float32))}),)
    )
    save_golden(mlp.parent / "mlp.goldens" / "wrong.json", wrong)
    artifact = written(parent, tmp_path / "new", Dynamic())
    with pytest.raises(FreeholdError) as raised:
        prove(artifact, Quality(1, max_abs=0.1))
    assert raised.value.code == "quantize_proof_failed"
    shutil.rmtree(artifact.path)
