"""Matrix products in each precision: what the weights mean, row by row."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.linear import Blockwise, Float, Linear, RowQuantized
from freehold.adapt.onnx_graph import GraphWriter
from freehold.adapt.weights import Rows

Array = np.ndarray[Any, Any]
FORMS: dict[str, tuple[Linear, float]] = {  # with the error that is allowed, relative to the root mean square
    "float": (Float(), 1e-6),
    "int8": (Blockwise(8, 32), 0.012),
    "int4": (Blockwise(4, 32), 0.11),
    "int4-wide": (Blockwise(4, 128), 0.13),
    "w8a8": (RowQuantized(), 0.016),
}


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def rows_of(folder: Path, **tensors: Array) -> list[Rows]:
    save_file(tensors, folder / "model.safetensors")
    checkpoint = Checkpoint.open((folder / "model.safetensors",))
    return [Rows.of(checkpoint, {name: values.shape}) for name, values in tensors.items()]


def opened(graph: GraphWriter, folder: Path) -> onnxruntime.InferenceSession:
    graph.save_weights(folder)
    graph.save_model(folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def product(folder: Path, form: Linear, weight: Array, bias: Array | None = None) -> onnxruntime.InferenceSession:
    """A graph x [rows, k] -> y [rows, n]."""
    parts = rows_of(folder, weight=weight, **({} if bias is None else {"bias": bias}))
    graph = GraphWriter()
    x = graph.input("x", ("rows", weight.shape[1]), np.float32)
    graph.output("y", form.multiply(graph, x, "weight", *parts), ("rows", len(weight)))
    return opened(graph, folder)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("biased", [False, True])
def test_a_product_is_near_the_exact_one(name: str, biased: bool, tmp_path: Path) -> None:
    """Within what the form rounds off, with and without a bias."""
    form, allowed = FORMS[name]
    weight, states = drawn(96, 256), drawn(9, 256, seed=1)
    bias = drawn(96, seed=2) if biased else None
    (seen,) = product(tmp_path, form, weight, bias).run(None, {"x": states})
    exact = states @ weight.T + (0 if bias is None else bias)
    assert np.sqrt(((seen - exact) ** 2).mean()) < allowed * np.sqrt((exact**2).mean())


def test_per_row_quantization_is_what_its_formula_says(tmp_path: Path) -> None:
    """Scales of largest magnitude / 127 on both sides, an exact product of integers between."""
    weight, states = drawn(32, 64), drawn(5, 64, seed=1)
    (seen,) = product(tmp_path, RowQuantized(), weight).run(None, {"x": states})

    def quantized(rows: Array) -> tuple[Array, Array]:
        scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
        return np.rint(rows / scales), scales

    (a, a_scales), (b, b_scales) = quantized(states), quantized(weight)
    np.testing.assert_allclose(seen, a @ b.T * a_scales * b_scales.T, rtol=1e-4, atol=1e-4)


def test_a_row_quantized_by_itself_has_no_neighbours(tmp_path: Path) -> None:
    """To the bit: alone, among others, beside a row a million times larger, and a row of zeros gives zeros."""
    states = drawn(7, 256, seed=1)
    session = product(tmp_path, RowQuantized(), drawn(96, 256))
    (together,) = session.run(None, {"x": states})
    for index in range(7):
        (alone,) = session.run(None, {"x": states[index : index + 1]})
        np.testing.assert_array_equal(alone[0], together[index])
    states[1] *= 1e6
    states[2] = 0
    (beside,) = session.run(None, {"x": states})
    np.testing.assert_array_equal(beside[[0, 3, 4, 5, 6]], together[[0, 3, 4, 5, 6]])
    assert not beside[2].any()


@pytest.mark.parametrize("form", [Blockwise(4, 32), Blockwise(8, 32), Blockwise(4, 128)])
def test_a_lookup_shares_the_codes_of_a_product(form: Blockwise, tmp_path: Path) -> None:
    """Rows are what the codes mean, to the bit; the data file holds one copy for both."""
    weight = drawn(40, 256)
    (rows,) = rows_of(tmp_path, weight=weight)
    graph = GraphWriter()
    ids = graph.input("ids", ("n",))
    found = form.lookup(graph, "weight", rows, ids)
    graph.output("rows", found, ("n", 256))
    graph.output("products", form.multiply(graph, found, "weight", rows), ("n", 40))
    answer, products = opened(graph, tmp_path).run(None, {"ids": np.array([39, 0, 7])})
    codes, scales = (np.concatenate(list(each.blocks())) for each in (form.codes(rows), form.codes(rows).scales))
    values = codes if form.bits == 8 else np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], -1)
    means = ((values.astype(np.float32) - 2 ** (form.bits - 1)) * scales[:, :, None]).reshape(40, 256)
    np.testing.assert_array_equal(answer, means[[39, 0, 7]])
    np.testing.assert_allclose(products, means[[39, 0, 7]] @ means.T, atol=2.5)  # activations are rounded to 8 bits
    assert len(graph.data.weights) == 2


def test_forms_of_one_weight_lie_side_by_side(tmp_path: Path) -> None:
    """As the profile `fast` has them, each under a name of its own."""
    (rows,) = rows_of(tmp_path, weight=drawn(64, 128))
    graph = GraphWriter()
    x = graph.input("x", ("rows", 128), np.float32)
    for name, (form, _) in FORMS.items():
        graph.output(name, form.multiply(graph, x, "weight", rows), ("rows", 64))
    products = opened(graph, tmp_path).run(None, {"x": drawn(3, 128, seed=1)})
    for other in products[1:]:
        assert np.corrcoef(products[0].ravel(), other.ravel())[0, 1] > 0.98
