"""Decoders whose files are damaged or do not fit together: refused at the start, with the file and what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.graphs import build
from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.artifact.artifact import sha256_of

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_decoder: Callable[..., Path], tmp_path: Path) -> Path:
    """A decoder in one file, with a golden of just these weights."""
    folder = shutil.copytree(tiny_decoder(), tmp_path / "decoder")
    ids = Tensor.of(np.arange(3, dtype=np.int64))
    golden = Golden(
        RecordedBy("transformers", "5", f"sha256:{sha256_of(folder / WEIGHTS)}"),
        (Case({"prompt_ids": ids}, {"token_ids": ids}),),
    )
    save_golden(folder / "goldens" / "ours.json", golden)
    return folder


def flip(path: Path) -> None:
    """Change one bit near the end of a file."""
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_weights_that_are_not_what_they_were_are_refused(freehold: Any, folder: Path) -> None:
    """One bit: the digest tells that the proof was made with others. Half of them: the file itself says so."""
    flip(folder / WEIGHTS)
    ended = freehold("serve", folder, "--no-tune")
    assert ended.code == 1
    assert "golden_of_other_weights" in ended.err
    shutil.rmtree(folder / "goldens")
    cut(folder / WEIGHTS)
    ended = freehold("serve", folder, "--no-tune")
    assert ended.code == 1
    assert "weights_corrupt" in ended.err
    assert str(folder / WEIGHTS) in ended.err


def test_a_bit_that_turned_in_an_artifact_is_found(freehold: Any, folder: Path, tmp_path: Path) -> None:
    """By the digest that its manifest has of every file; `serve` looks at sizes, so that large models start at once."""
    artifact = build(folder, tmp_path / "cache")
    flip(artifact / "model.onnx.data")
    ended = freehold("verify", artifact)
    assert ended.code == 1
    assert "model.onnx.data" in ended.out + ended.err
    cut(artifact / "model.onnx.data")
    ended = freehold("serve", artifact, "--no-tune")
    assert ended.code == 1
    assert "artifact_corrupt" in ended.err
    assert "model.onnx.data" in ended.err


def test_a_missing_shard_is_named(freehold: Any, tiny_decoder: Callable[..., Path]) -> None:
    """The index lists it, the folder has it not."""
    folder = tiny_decoder(shard_size="100KB")
    missing = sorted(folder.glob("model-*.safetensors"))[1]
    missing.unlink()
    ended = freehold("serve", folder, "--no-tune")
    assert ended.code == 1
    assert "weights_missing" in ended.err
    assert missing.name in ended.err


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(freehold: Any, folder: Path) -> None:
    """Both numbers are told: its tokens would point beyond the embedding in the midst of a request."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 256}))
    ended = freehold("serve", folder, "--no-tune")
    assert ended.code == 1
    assert "tokenizer_file_invalid" in ended.err
    assert "256" in ended.err
