"""What a data file is filled with: float tensors as they lie in a checkpoint, or quantized on their way out of it.

A source knows type and shape before a value is read, and yields its values a block at a time, so that writing a model
takes the memory of one block, whatever the model's size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from freehold.adapt.checkpoint import Checkpoint, Floats, spans

Array = np.ndarray[Any, np.dtype[Any]]

# A pass over a few hundred kilobytes stays in the second-level cache: quantizing whole blocks takes twice as long.
PASS_BYTES = 1 << 19
# int8 codes of a channel are symmetric: -128 is left out, so that a weight and its negative have the same code.
INT8_MAX = 127
# A scale this small is none: its inverse would overflow, and what it scales is nothing beside any other weight.
LEAST_SCALE = np.float32(1e-30)


class Source(Protocol):
    """Values of one tensor."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Their type in the data file."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        ...

    def blocks(self) -> Iterator[Array]:
        """The values in row-major order, contiguous. Raises FreeholdError `weights_corrupt`."""
        ...


class Matrix(Protocol):
    """Float32 values [n, k], a row for each output of a product, read piece by piece."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, k]."""
        ...

    def passes(self) -> Iterator[Floats]:
        """Pieces of whole rows that fit a processor's cache. Raises FreeholdError `weights_corrupt`."""
        ...

    def slabs(self) -> Iterator[Floats]:
        """Blocks of whole columns: [n, some columns]. Raises FreeholdError `weights_corrupt`."""
        ...


@dataclass(frozen=True)
class Rows:
    """Tensors of a checkpoint as one float32 tensor, one below the other: matrices [rows, columns], vectors [rows]."""

    checkpoint: Checkpoint
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @classmethod
    def of(cls, checkpoint: Checkpoint, parts: Mapping[str, tuple[int, ...]]) -> "Rows":
        """The tensors named in `parts`, with their shapes. Raises FreeholdError as `Checkpoint.require`."""
        for name, shape in parts.items():
            checkpoint.require(name, shape)
        shapes = list(parts.values())
        return cls(checkpoint, tuple(parts), (sum(shape[0] for shape in shapes), *shapes[0][1:]))

    def blocks(self) -> Iterator[Floats]:
        """Blocks of whole rows."""
        for name in self.names:
            yield from self.checkpoint.blocks(name)

    def passes(self) -> Iterator[Floats]:
        """The blocks of a matrix in pieces of whole rows that fit a processor's cache."""
        rows = max(1, PASS_BYTES // (4 * self.shape[1]))
        for block in self.blocks():
            for start in range(0, len(block), rows):
                yield block[start : start + rows]

    def slabs(self) -> Iterator[Floats]:
        """Blocks of whole columns of a matrix: [rows, some columns]."""
        for start, stop in spans(self.shape[1], 4 * self.shape[0]):
            yield np.concatenate([self.checkpoint.columns(name, start, stop) for name in self.names])


@dataclass(frozen=True)
class BlockCodes:
    """A matrix [n, k] in `bits` a value with a scale for each `size` values of a row, as MatMulNBits takes it.

    uint8 [n, ceil(k / size), size * bits / 8], the earlier value in the lower bits; a value is
    (code - 2^(bits-1)) * scale. A scale carries the sign that gives the value of largest magnitude the lowest code,
    of which there is one more than on the other side: that uses all codes.
    """

    rows: Matrix
    bits: int  # 4 or 8
    size: int  # a power of two
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, blocks, bytes a block]."""
        height, width = self.rows.shape
        return (height, -(-width // self.size), self.size * self.bits // 8)

    @property
    def scales(self) -> "BlockScales":
        """float32 [n, blocks]."""
        return BlockScales(self)

    def blocks(self) -> Iterator[Array]:
        """Packed codes."""
        middle = 1 << self.bits - 1
        for values in self.rows.passes():
            groups = self.grouped(values)
            scales = self.scales_of(groups)
            codes = groups * inverse_of(scales)[:, :, None]
            np.rint(codes, out=codes)
            np.minimum(codes, middle - 1, out=codes)
            codes += middle
            packed = codes.astype(np.uint8)
            yield packed if self.bits == 8 else packed[..., 0::2] | packed[..., 1::2] << 4

    def grouped(self, values: Floats) -> Floats:
        """[rows, k] -> [rows, blocks, size], the last block filled up with zeros."""
        short = -values.shape[1] % self.size
        filled = np.pad(values, ((0, 0), (0, short))) if short else values
        return filled.reshape(len(values), -1, self.size)

    def scales_of(self, groups: Floats) -> Floats:
        """[rows, blocks, size] -> [rows, blocks]; 0 where there is nothing in a block."""
        highest, lowest = _reduced(np.maximum, groups), _reduced(np.minimum, groups)
        extreme = np.where(highest > -lowest, highest, lowest)
        return _significant(extreme / np.float32(-(1 << self.bits - 1)))


@dataclass(frozen=True)
class BlockScales:
    """The scales of `codes`."""

    codes: BlockCodes
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, blocks]."""
        return self.codes.shape[:2]

    def blocks(self) -> Iterator[Array]:
        """Whole rows."""
        for values in self.codes.rows.passes():
            yield self.codes.scales_of(self.codes.grouped(values))


@dataclass(frozen=True)
class ChannelCodes:
    """A matrix [n, k] in int8 [k, n] with one scale a row, as MatMulIntegerToFloat takes it: code * scale."""

    rows: Matrix
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int8)

    @property
    def shape(self) -> tuple[int, ...]:
        """[k, n]."""
        return self.rows.shape[::-1]

    @property
    def scales(self) -> "ChannelScales":
        """float32 [n]."""
        return ChannelScales(self.rows)

    def blocks(self) -> Iterator[Array]:
        """Rows of the transposed matrix, from a second reading: scales need every row whole."""
        scales = np.concatenate(list(self.scales.blocks()))
        inverse = inverse_of(scales)
        for slab in self.rows.slabs():
            yield np.ascontiguousarray(np.rint(slab * inverse[:, None]).astype(np.int8).T)


@dataclass(frozen=True)
class ChannelScales:
    """The scales of the codes of `rows`."""

    rows: Matrix
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n]."""
        return self.rows.shape[:1]

    def blocks(self) -> Iterator[Array]:
        """Largest magnitude of each row / 127."""
        for values in self.rows.passes():
            yield _significant(np.maximum(values.max(axis=1), -values.min(axis=1)) / np.float32(INT8_MAX))


def _reduced(function: np.ufunc, groups: Floats) -> Floats:
    """`function.reduce(groups, axis=2)`, pair by pair: four times as fast where the last dimension is short."""
    values = groups.ravel()
    for _ in range(groups.shape[2].bit_length() - 1):
        values = function(values[0::2], values[1::2])
    return values.reshape(groups.shape[:2])


def _significant(scales: Array) -> Floats:
    kept: Floats = np.where(np.abs(scales) < LEAST_SCALE, np.float32(0), scales)
    return kept


def inverse_of(scales: Floats) -> Floats:
    """1 / scale, 0 for a scale of 0."""
    return np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
