"""Weights at rest: found, checked, and read a few rows at a time."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from freehold.adapt.checkpoint import BLOCK_BYTES, Checkpoint, weight_files
from freehold.errors import FreeholdError


def shards(folder: Path) -> tuple[Path, Path]:
    first, second = folder / "model-00001-of-00002.safetensors", folder / "model-00002-of-00002.safetensors"
    save_file({"a": np.ones((2, 3), np.float32)}, first)
    save_file({"b": np.zeros(4, np.float32)}, second)
    index = {"metadata": {}, "weight_map": {"a": first.name, "b": second.name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return first, second


def refusal(folder: Path) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        weight_files(folder)
    return caught.value


def test_a_single_file_is_taken(tmp_path: Path) -> None:
    """Also where a pickle of the same weights lies beside it."""
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert weight_files(tmp_path) == (tmp_path / "model.safetensors",)


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    """Every shard of the index, and every tensor of every shard."""
    files = shards(tmp_path)
    assert weight_files(tmp_path) == files
    checkpoint = Checkpoint.open(files)
    assert "a" in checkpoint
    assert "b" in checkpoint
    checkpoint.require("b", (4,))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    """By its own path."""
    shards(tmp_path)[1].unlink()
    error = refusal(tmp_path)
    assert error.code == "weights_missing"
    assert "model-00002-of-00002.safetensors" in error.cause


def test_an_index_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    """A shard is a file name, not a path."""
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other/model.safetensors"}}')
    assert refusal(tmp_path).code == "model_folder_invalid"


@pytest.mark.parametrize(
    ("file", "code", "way_out"),
    [
        ("pytorch_model.bin", "weights_pickled", "freehold convert"),
        ("model.pt", "weights_pickled", "safetensors"),
        ("bge-m3-Q4_K_M.gguf", "weights_quantized", "engine: vllm"),
        ("README.md", "weights_missing", "model.safetensors"),
    ],
)
def test_other_formats_are_told_the_way_out(file: str, code: str, way_out: str, tmp_path: Path) -> None:
    """A pickle is never loaded; GGUF is named; nothing at all is said plainly."""
    (tmp_path / file).write_bytes(b"x")
    error = refusal(tmp_path)
    assert error.code == code
    assert way_out in error.fix


def test_an_empty_index_has_no_weights(tmp_path: Path) -> None:
    """It names no shard, so there is none."""
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    assert refusal(tmp_path).code == "weights_missing"


def test_a_cut_file_is_corrupt(tmp_path: Path) -> None:
    """Half a copy."""
    path = tmp_path / "model.safetensors"
    save_file({"a": np.ones((20, 20), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FreeholdError) as caught:
        Checkpoint.open((path,))
    assert caught.value.code == "weights_corrupt"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_no_bytes_get_past_as_another_exception(data: bytes, tmp_path: Path) -> None:
    """A Git LFS pointer, an HTML page, nothing: refused with a code."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with suppress(FreeholdError):
        Checkpoint.open((path,))


def test_integer_weights_are_quantized_ones(tmp_path: Path) -> None:
    """Nothing but floats is computed with."""
    save_file({"a": np.ones((2, 2), np.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(FreeholdError, match="I8") as caught:
        Checkpoint.open((tmp_path / "model.safetensors",)).require("a", (2, 2))
    assert caught.value.code == "weights_quantized"


@pytest.mark.parametrize("rows", [1, 7, 4096, 4097, 9001])
def test_blocks_are_the_tensor_in_pieces(rows: int, tmp_path: Path) -> None:
    """Joined they are the tensor, and none is larger than its budget."""
    array = np.arange(rows * 1024, dtype=np.float32).reshape(rows, 1024)
    save_file({"a": array}, tmp_path / "model.safetensors")
    blocks = list(Checkpoint.open((tmp_path / "model.safetensors",)).blocks("a"))
    assert max(block.nbytes for block in blocks) <= BLOCK_BYTES
    np.testing.assert_array_equal(np.concatenate(blocks), array)


@pytest.mark.parametrize("datatype", [np.float16, np.float32, np.float64])
def test_some_rows_and_columns_are_read_alone(datatype: type[np.floating], tmp_path: Path) -> None:
    """As float32, whatever the file holds."""
    array = np.random.default_rng(0).standard_normal((9, 5)).astype(datatype)
    save_file({"a": array}, tmp_path / "model.safetensors")
    checkpoint = Checkpoint.open((tmp_path / "model.safetensors",))
    for part, expected in ((checkpoint.rows("a", 2, 4), array[2:4]), (checkpoint.columns("a", 1, 3), array[:, 1:3])):
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, expected.astype(np.float32))


def test_rows_of_a_cut_file_are_refused(tmp_path: Path) -> None:
    """By the file's name."""
    path = tmp_path / "model.safetensors"
    save_file({"a": np.ones((9, 5), np.float32)}, path)
    checkpoint = Checkpoint.open((path,))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FreeholdError, match="weights_corrupt"):
        checkpoint.rows("a", 8, 9)
