"""Rotary position embedding: the tables of cosines and sines that attention reads.

Su et al., RoFormer (arXiv:2104.09864); linear scaling: Chen et al. (arXiv:2306.15595); `llama3`: the Llama 3.1 model
card's scaling by wavelength. Everything is computed in float32, as it was when the models were trained.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from freehold.adapt.checkpoint import Floats, spans
from freehold.adapt.decoder_config import Rope


@dataclass(frozen=True)
class RotaryTable:
    """float32 [positions, head_size / 2]: `function` of position * frequency."""

    rope: Rope
    positions: int
    head_size: int
    function: Literal["cos", "sin"]
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """[positions, head_size / 2]."""
        return (self.positions, self.head_size // 2)

    def blocks(self) -> Iterator[Floats]:
        """Blocks of positions."""
        turns = frequencies(self.rope, self.head_size)
        function = np.cos if self.function == "cos" else np.sin
        for start, stop in spans(self.positions, 4 * len(turns)):
            yield function(np.arange(start, stop, dtype=np.float32)[:, None] * turns)


def frequencies(rope: Rope, head_size: int) -> Floats:
    """Radians a position, float32 [head_size / 2], falling from 1.

    `rope` must have its base and, for `llama3`, its original positions.
    """
    assert rope.rope_theta is not None
    exponents: Floats = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
    turns: Floats = np.reciprocal(np.power(np.float32(rope.rope_theta), exponents))
    if rope.form == "linear":
        return turns / np.float32(rope.factor)
    if rope.form == "llama3":
        return _by_wavelength(turns, rope)
    return turns


def _by_wavelength(turns: Floats, rope: Rope) -> Floats:
    """Waves longer than the original context are stretched by `factor`, short ones kept, those between blended."""
    assert rope.original_max_position_embeddings is not None
    periods = np.float32(rope.original_max_position_embeddings) * turns / np.float32(2 * np.pi)
    spread = np.float32(rope.high_freq_factor - rope.low_freq_factor)
    kept: Floats = np.clip((periods - np.float32(rope.low_freq_factor)) / spread, 0, 1)
    blended: Floats = (1 - kept) * turns / np.float32(rope.factor) + kept * turns
    return blended
