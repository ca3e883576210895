"""Each form of a weight computes nearly what the float weight computes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.quantize.forms import (
    Blocks,
    ByRow,
    Dynamic,
    Form,
    Norm,
    Range,
    RowCodes,
    RowSetting,
    Static,
    Widened,
)
from freehold.adapt.quantize.rewrite import rewrite
from freehold.adapt.quantize.stored import Stored, StoredMatrix
from freehold.adapt.quantize.units import FloatGraph
from freehold.artifact.compare import cosine
from freehold.engine.providers import SessionOptions
from freehold.engine.session import OnnxSession

Array = np.ndarray[Any, Any]
WIDE = Range(-16.0, 32.0)


def static(graph: FloatGraph) -> Static:
    """Ranges that hold what these graphs compute from standard normal inputs."""
    uses = [use for unit in graph.units for use in unit.uses]
    return Static({name: WIDE for use in uses for name in (use.states, use.output)})


FORMS: dict[str, tuple[Callable[[FloatGraph], Form], float]] = {
    "dynamic": (lambda graph: Dynamic(), 0.999),
    "by-row": (lambda graph: ByRow(), 0.999),
    "nbits8": (lambda graph: Blocks(8, 32), 0.999),
    "nbits4": (lambda graph: Blocks(4, 32), 0.98),
    "static": (static, 0.98),
}


def run(path: Path, x: Array) -> Array:
    return OnnxSession(path, SessionOptions(), "test").run(["y"], {"x": x})[0]


def quantized(path: Path, make: Callable[[FloatGraph], Form]) -> Path:
    """The graph with every weight in one form, in a folder of its own."""
    graph = FloatGraph.open(path)
    form = make(graph)
    made = rewrite(graph, {unit.name: form for unit in graph.units})
    folder = path.parent / "quantized"
    folder.mkdir()
    made.data.save(folder)
    made.save(folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("name", FORMS)
def test_products(mlp: Path, name: str) -> None:
    """Matrix products, with a bias and without."""
    make, least = FORMS[name]
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    seen = run(quantized(mlp, make), x)
    assert least < cosine(run(mlp, x), seen) < 1
    if name != "dynamic":  # one scale for all rows: only there a row depends on its neighbours
        np.testing.assert_allclose(run(mlp.parent / "quantized" / "model.onnx", x[:1]), seen[:1], atol=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_convolutions(convolution: Path, name: str) -> None:
    """Convolutions, padded and strided, with a bias and without; blocks write them by sample."""
    make, _ = FORMS[name]
    x = np.random.default_rng(0).standard_normal((3, 3, 8, 8)).astype(np.float32)
    assert cosine(run(convolution, x), run(quantized(convolution, make), x)) > 0.98


def test_rows_of_zeros(mlp: Path) -> None:
    """A row of zeros stays one, whatever its scale would be."""
    x = np.zeros((2, 64), np.float32)
    np.testing.assert_allclose(run(quantized(mlp, lambda graph: ByRow()), x), run(mlp, x), atol=0.1)


@given(st.floats(-100, 0), st.floats(0, 100))
@settings(max_examples=50, deadline=None)
def test_range(lowest: float, highest: float) -> None:
    """Both ends of a range have a code, and 0 has one without error."""
    seen = Range(lowest, highest)
    codes = [round(value / seen.scale) + seen.zero for value in (lowest, 0.0, highest)]
    assert codes[1] == seen.zero
    assert all(-1 <= code <= 256 for code in codes)


def test_settings_of_rows(mlp: Path) -> None:
    """A code of 0 near the end where nothing lies brings more precision to what a Relu made."""
    x = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    want = run(mlp, x)
    even = run(quantized(mlp, lambda graph: ByRow()), x)
    shutil.rmtree(mlp.parent / "quantized")
    low = run(quantized(mlp, lambda graph: ByRow({"c": RowSetting(zero=8)})), x)
    assert np.abs(low - want).mean() < np.abs(even - want).mean()


def test_smoothed_norm(embedder: Path, tmp_path: Path) -> None:
    """A norm divided by numbers that its weights take up computes the same but for rounding."""
    graph = FloatGraph.open(embedder / "model.onnx")
    unit = next(unit for unit in graph.units if "query" in unit.name)
    rng = np.random.default_rng(0)
    divisors = np.exp(rng.standard_normal(32)).astype(np.float32)
    node = next(node for node in graph.model.graph.node if unit.uses[0].states in node.output)
    scale, shift = (graph.tensors[name].array() for name in node.input[1:])
    setting = RowSetting(128, Norm(node.input[0], scale, shift, 1e-12), divisors)
    made = rewrite(graph, {unit.name: ByRow({unit.uses[0].states: setting})})
    made.data.save(tmp_path)
    made.save(tmp_path / "model.onnx")
    tokens = np.arange(6)
    feeds = {
        "input_ids": tokens,
        "token_type_ids": tokens * 0,
        "sequence_ids": tokens * 0,
        "sequence_starts": tokens[:1],
    }
    outputs = [
        OnnxSession(path, SessionOptions(), "t").run(["embeddings"], feeds)[0]
        for path in (embedder / "model.onnx", tmp_path / "model.onnx")
    ]
    assert cosine(*outputs) > 0.999


def test_row_codes() -> None:
    """A row's largest magnitude has the code 127; a row of zeros has codes of 0."""
    values = np.array([[0.5, -2.0], [0.0, 0.0], [3.0, 1.5]], np.float32)
    codes = RowCodes(StoredMatrix(Stored("w", values.dtype, values.shape, data=values.tobytes())))
    np.testing.assert_array_equal(np.concatenate(list(codes.blocks())), [[32, -127], [0, 0], [127, 64]])
    assert codes.shape == (3, 2)


def test_widened() -> None:
    """Columns are multiplied, in rows as in slabs."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    factors = np.array([1, 2, 0.5, 1], np.float32)
    matrix = Widened(StoredMatrix(Stored("w", values.dtype, values.shape, data=values.tobytes())), factors)
    np.testing.assert_array_equal(np.concatenate(list(matrix.passes())), values * factors)
    np.testing.assert_array_equal(np.concatenate(list(matrix.slabs()), axis=1), values * factors)
    assert matrix.shape == (3, 4)
