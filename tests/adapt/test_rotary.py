"""Rotary tables are those of transformers."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from freehold.adapt import checkpoint
from freehold.adapt.decoder_config import Rope
from freehold.adapt.rotary import RotaryTable, frequencies

ROPES: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "another base": {"rope_type": "default", "rope_theta": 1000000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}


@pytest.mark.parametrize("name", ROPES)
def test_the_tables_are_those_of_transformers(name: str) -> None:
    """Cosines and sines of far positions, too."""
    parameters = ROPES[name]
    config = transformers.LlamaConfig(
        head_dim=64, hidden_size=128, num_attention_heads=2, max_position_embeddings=40000, rope_parameters=parameters
    )
    positions = torch.tensor([[0, 1, 2, 500, 8191, 39999]])
    with torch.inference_mode():
        expected = LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
    for function, wanted in zip(("cos", "sin"), expected, strict=True):
        table = RotaryTable(Rope(**parameters), 40000, 64, function)
        rows = np.concatenate(list(table.blocks()))
        assert rows.shape == table.shape == (40000, 32)
        np.testing.assert_allclose(rows[positions[0]], wanted[0, :, :32].numpy(), atol=4e-3)
        np.testing.assert_allclose(rows[:3], wanted[0, :3, :32].numpy(), atol=1e-6)


def test_linear_scaling_slows_every_frequency_down() -> None:
    """By its factor."""
    plain = frequencies(Rope(rope_theta=10000.0), 64)
    slowed = frequencies(Rope(rope_type="linear", rope_theta=10000.0, factor=8.0), 64)
    np.testing.assert_allclose(slowed, plain / 8)
    assert plain[0] == 1
    assert (np.diff(plain) < 0).all()


def test_llama3_keeps_short_waves_and_stretches_long_ones() -> None:
    """The first frequency as it was, the last divided by the factor, none faster than before."""
    plain = frequencies(Rope(rope_theta=500000.0), 128)
    scaled = frequencies(Rope(**ROPES["llama3"]), 128)
    assert scaled[0] == plain[0]
    assert scaled[-1] == plain[-1] / 32
    assert (scaled <= plain).all()


def test_tables_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of 128k positions is never whole in memory."""
    monkeypatch.setattr(checkpoint, "BLOCK_BYTES", 1024)
    blocks = list(RotaryTable(Rope(rope_theta=10000.0), 100, 32, "cos").blocks())
    assert [len(block) for block in blocks] == [16] * 6 + [4]
    assert {block.dtype for block in blocks} == {np.dtype(np.float32)}
