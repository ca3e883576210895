"""The weights of a graph file as they lie there, in the file or beside it, read piece by piece."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import helper, numpy_helper

from freehold.adapt.checkpoint import Floats, spans
from freehold.adapt.weights import PASS_BYTES, Array
from freehold.errors import FreeholdError

BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Stored:
    """One initializer of a graph: `data` where it lies in the graph file itself, else its place in `file`."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    file: Path | None = None
    offset: int = 0  # bytes
    data: bytes = field(default=b"", repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def array(self) -> Array:
        """All values; those of a file beside the graph are mapped, not read."""
        if self.file is None:
            return np.frombuffer(self.data, self.dtype).reshape(self.shape)
        if not self.nbytes:
            return np.empty(self.shape, self.dtype)
        return np.memmap(self.file, self.dtype, "r", self.offset, self.shape)

    def blocks(self) -> Iterator[Array]:
        """The values in row-major order, in pieces of about 16 MiB."""
        flat = self.array().reshape(-1)
        step = max(1, BLOCK_BYTES // self.dtype.itemsize)
        for start in range(0, len(flat), step):
            yield np.ascontiguousarray(flat[start : start + step])


@dataclass(frozen=True)
class StoredMatrix:
    """A stored weight as a matrix [n, k], a row for each output: as it lies, with its dimensions after the first taken
    together, or (`turned`) with the two dimensions exchanged. A `Matrix` of `weights.py`."""

    stored: Stored
    turned: bool = False
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, k]."""
        first, *others = self.stored.shape
        rest = int(np.prod(others, dtype=np.int64))
        return (rest, first) if self.turned else (first, rest)

    def array(self) -> Floats:
        """The whole matrix, mapped where it lies in a file."""
        values = self.stored.array().reshape(self.stored.shape[0], -1)
        return values.T if self.turned else values

    def passes(self) -> Iterator[Floats]:
        """Pieces of whole rows."""
        values, step = self.array(), max(1, PASS_BYTES // (4 * self.shape[1]))
        for start in range(0, self.shape[0], step):
            yield np.ascontiguousarray(values[start : start + step])

    def slabs(self) -> Iterator[Floats]:
        """Blocks of whole columns."""
        values = self.array()
        for start, stop in spans(self.shape[1], 4 * self.shape[0]):
            yield np.ascontiguousarray(values[:, start:stop])


def stored_tensors(model: onnx.ModelProto, path: Path) -> dict[str, Stored]:
    """The initializers of the model that was read from `path` without its external data, by name.

    Raises FreeholdError `graph_invalid` where a tensor is said to lie where no file is, or outside the graph's folder.
    """
    return {tensor.name: _stored(tensor, path) for tensor in model.graph.initializer}


def _stored(tensor: onnx.TensorProto, path: Path) -> Stored:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    shape = tuple(tensor.dims)
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return Stored(tensor.name, dtype, shape, data=numpy_helper.to_array(tensor).tobytes())
    where: Mapping[str, str] = {entry.key: entry.value for entry in tensor.external_data}
    file = path.parent / where.get("location", "")
    stored = Stored(tensor.name, dtype, shape, file, int(where.get("offset", "0")))
    inside = file.resolve().is_relative_to(path.parent.resolve())
    if not (inside and file.is_file() and stored.offset + stored.nbytes <= file.stat().st_size):
        reason = f"the weights of {tensor.name} are not in {where.get('location', 'the file that it names')}"
        raise FreeholdError("graph_invalid", path=path, reason=reason)
    return stored
