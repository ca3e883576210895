"""Weights on their way into a data file: in order, in the right numbers, a block at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import save_file

from freehold.adapt import checkpoint as checkpoint_module
from freehold.adapt import weights
from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.weights import BlockCodes, ChannelCodes, Rows, Source
from freehold.errors import FreeholdError

Array = np.ndarray[Any, Any]
Write = Callable[..., Rows]


@pytest.fixture
def rows_of(tmp_path: Path) -> Write:
    """`rows_of(first, second, ...)`: the arrays one below the other, from a checkpoint."""

    def write(*parts: Array) -> Rows:
        named = {f"part{index}": part for index, part in enumerate(parts)}
        save_file(named, tmp_path / "model.safetensors")
        stored = Checkpoint.open((tmp_path / "model.safetensors",))
        return Rows.of(stored, {name: part.shape for name, part in named.items()})

    return write


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two kilobytes and passes of one, so that small tensors take several."""
    monkeypatch.setattr(checkpoint_module, "BLOCK_BYTES", 2048)
    monkeypatch.setattr(weights, "PASS_BYTES", 1024)


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def whole(source: Source) -> Array:
    """A source's blocks put together; each must be contiguous, since its bytes are what is written."""
    blocks = list(source.blocks())
    assert all(block.flags.c_contiguous and block.dtype == source.dtype for block in blocks)
    return np.concatenate([block.ravel() for block in blocks]).reshape(source.shape)


def unpacked(codes: Array, scales: Array, bits: int) -> Array:
    """What MatMulNBits takes codes [n, blocks, bytes] and scales [n, blocks] to mean: [n, blocks * size]."""
    values = codes if bits == 8 else np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], -1)
    return ((values.astype(np.float32) - 2 ** (bits - 1)) * scales[:, :, None]).reshape(len(codes), -1)


def test_tensors_lie_one_below_the_other(rows_of: Write, small_blocks: None) -> None:
    """By rows, by passes and by columns, of several sizes; vectors end to end."""
    parts = drawn(33, 48), drawn(7, 48, seed=1)
    rows = rows_of(*parts)
    assert rows.shape == (40, 48)
    np.testing.assert_array_equal(whole(rows), np.concatenate(parts))
    np.testing.assert_array_equal(np.concatenate(list(rows.passes())), np.concatenate(parts))
    np.testing.assert_array_equal(np.concatenate(list(rows.slabs()), axis=1), np.concatenate(parts))
    assert max(block.nbytes for block in rows.slabs()) <= 2048
    assert len(list(rows.passes())) > len(list(rows.blocks())) > 1
    np.testing.assert_array_equal(whole(rows_of(drawn(5), drawn(3))), np.concatenate([drawn(5), drawn(3)]))


def test_a_tensor_of_another_shape_is_refused(rows_of: Write) -> None:
    """Before anything is written, by its name."""
    rows = rows_of(drawn(4, 8))
    with pytest.raises(FreeholdError, match="part0"):
        Rows.of(rows.checkpoint, {"part0": (8, 4)})


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("size", [32, 128])
def test_block_codes_mean_what_was_there(bits: int, size: int, rows_of: Write, small_blocks: None) -> None:
    """Within half a step of each block, or one where the value of largest magnitude has an equal with another sign."""
    values = drawn(40, 2 * size)
    codes = BlockCodes(rows_of(values), bits, size)
    scales = whole(codes.scales)
    means = unpacked(whole(codes), scales, bits)
    steps = np.repeat(np.abs(scales), size, axis=1)
    assert codes.shape == (40, 2, size * bits // 8)
    assert (np.abs(means - values) <= steps * 1.0001).all()
    assert (np.abs(means - values) <= steps * 0.5001).mean() > 0.98
    error = np.sqrt(((means - values) ** 2).mean())
    assert error < {(4, 32): 0.088, (4, 128): 0.106, (8, 32): 0.006, (8, 128): 0.007}[bits, size]


def test_the_lowest_code_is_the_value_of_largest_magnitude(rows_of: Write) -> None:
    """Whichever sign it has; the scale carries that sign."""
    values = np.zeros((2, 32), np.float32)
    values[0, 3], values[1, 5] = 4.0, -4.0
    codes = BlockCodes(rows_of(values), 4, 32)
    scales = whole(codes.scales)
    assert scales.tolist() == [[-0.5], [0.5]]
    np.testing.assert_array_equal(unpacked(whole(codes), scales, 4), values)


@given(
    values=arrays(np.float32, (3, 40), elements=st.floats(-1e4, 1e4, width=32)),
    bits=st.sampled_from([4, 8]),
    size=st.sampled_from([16, 32]),
)
@settings(max_examples=40, deadline=None)
def test_any_values_keep_within_a_step(
    values: Array, bits: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Zeros, extremes, one-sided blocks; a last block that is not full is filled up with zeros."""
    folder = tmp_path_factory.mktemp("values")
    save_file({"w": values}, folder / "model.safetensors")
    rows = Rows.of(Checkpoint.open((folder / "model.safetensors",)), {"w": (3, 40)})
    codes = BlockCodes(rows, bits, size)
    scales = whole(codes.scales)
    means = unpacked(whole(codes), scales, bits)
    assert not means[:, 40:].any()
    steps = np.repeat(np.abs(scales), size, axis=1)[:, :40]
    assert (np.abs(means[:, :40] - values) <= steps * 1.0001 + 1e-27).all()


def test_channel_codes_are_transposed_with_a_scale_a_row(rows_of: Write, small_blocks: None) -> None:
    """int8 [k, n], within half a step of each row; a row of zeros stays zeros."""
    parts = drawn(20, 48), drawn(12, 48, seed=1)
    parts[0][3] = 0
    codes = ChannelCodes(rows_of(*parts))
    scales = whole(codes.scales)
    values = np.concatenate(parts)
    assert (codes.shape, codes.dtype, scales.shape) == ((48, 32), np.int8, (32,))
    means = whole(codes).astype(np.float32).T * scales[:, None]
    assert (np.abs(means - values) <= scales[:, None] * 0.5001).all()
    assert whole(codes).min() == -whole(codes).max() == -127


def test_a_block_of_any_tensor_is_all_that_is_held(rows_of: Write, small_blocks: None) -> None:
    """No source yields more than a block of the checkpoint makes."""
    rows = rows_of(drawn(64, 64))
    for source in (rows, BlockCodes(rows, 4, 32), ChannelCodes(rows)):
        assert max(block.nbytes for block in source.blocks()) <= 2048
