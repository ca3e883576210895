"""Weights of graph files, inside them and beside them."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from freehold.adapt.quantize.stored import Stored, StoredMatrix, stored_tensors
from freehold.errors import FreeholdError


def beside(mlp: Path) -> Path:
    """The same graph with its weights in a file beside it."""
    path = mlp.with_name("beside.onnx")
    onnx.save(
        onnx.load(mlp),
        path,
        save_as_external_data=True,
        location="beside.data",
        size_threshold=0,
        convert_attribute=True,
    )
    return path


def test_inside_and_beside(mlp: Path) -> None:
    """A weight has the same values wherever it lies."""
    other = beside(mlp)
    inside = stored_tensors(onnx.load(mlp), mlp)
    outside = stored_tensors(onnx.load(other, load_external_data=False), other)
    assert outside["first"].file == other.with_name("beside.data")
    for name, stored in inside.items():
        np.testing.assert_array_equal(stored.array(), outside[name].array())
        assert stored.nbytes == outside[name].nbytes
        assert b"".join(block.tobytes() for block in outside[name].blocks()) == stored.data


@pytest.mark.parametrize("turned", [False, True])
def test_matrix(turned: bool) -> None:
    """Rows are outputs: a turned matrix exchanges its dimensions, in whole and in pieces."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    matrix = StoredMatrix(Stored("w", values.dtype, values.shape, data=values.tobytes()), turned)
    wanted = values.T if turned else values
    assert matrix.shape == wanted.shape
    np.testing.assert_array_equal(np.concatenate(list(matrix.passes())), wanted)
    np.testing.assert_array_equal(np.concatenate(list(matrix.slabs()), axis=1), wanted)


def test_kernel_is_a_matrix() -> None:
    """A convolution's kernel has a row for each channel that it makes."""
    assert StoredMatrix(Stored("w", np.dtype(np.float32), (8, 3, 3, 3))).shape == (8, 27)


def test_empty_weight(tmp_path: Path) -> None:
    """A tensor without values is one, wherever it is said to lie."""
    (tmp_path / "data").write_bytes(b"")
    assert Stored("w", np.dtype(np.float32), (0, 3), tmp_path / "data").array().shape == (0, 3)


@pytest.mark.parametrize("location", ["absent.data", "../outside.data", ""])
def test_place_that_is_none(mlp: Path, location: str) -> None:
    """Weights that are not where the graph says, or outside its folder, are told before anything starts."""
    other = beside(mlp)
    (mlp.parent.parent / "outside.data").write_bytes(bytes(1 << 20))
    model = onnx.load(other, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    with pytest.raises(FreeholdError) as raised:
        stored_tensors(model, other)
    assert raised.value.code == "graph_invalid"
