"""Weights at rest: one safetensors file or several shards, read a few rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open

from freehold.adapt.documents import read
from freehold.errors import FreeholdError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
BLOCK_BYTES = 16 << 20

Floats = np.ndarray[Any, np.dtype[np.float32]]


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of `folder`, shards in name order.

    Raises FreeholdError `weights_quantized` (GGUF), `weights_pickled`, `weights_missing`, `model_folder_invalid`.
    """
    if (folder / SINGLE).is_file():
        return (folder / SINGLE,)
    if (folder / INDEX).is_file():
        names = sorted(set(read(folder / INDEX, _Index).weight_map.values()))
        for name in names:
            if Path(name).name != name:
                raise FreeholdError("model_folder_invalid", path=folder / INDEX, reason=f"shard name {name!r}")
            if not (folder / name).is_file():
                raise FreeholdError("weights_missing", path=folder / name)
        if names:
            return tuple(folder / name for name in names)
    if next(folder.glob("*.gguf"), None) is not None:
        raise FreeholdError("weights_quantized", path=folder, format="GGUF")
    pickled = next(iter(sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])), None)
    if pickled is not None:
        raise FreeholdError("weights_pickled", path=pickled)
    raise FreeholdError("weights_missing", path=folder / SINGLE)


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors in safetensors files."""

    folder: Path
    where: dict[str, Path]

    @classmethod
    def open(cls, files: tuple[Path, ...]) -> "Checkpoint":
        """Read the headers. Raises FreeholdError `weights_corrupt`."""
        where: dict[str, Path] = {}
        for file in files:
            with _opened(file) as tensors:
                where.update(dict.fromkeys(tensors.keys(), file))
        return cls(files[0].parent, where)

    def __contains__(self, name: str) -> bool:
        return name in self.where

    def require(self, name: str, shape: tuple[int, ...]) -> None:
        """Check that `name` is there, of floats, and of `shape`.

        Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_quantized`.
        """
        if name not in self.where:
            raise FreeholdError("tensor_missing", path=self.folder, tensor=name, count=len(self.where))
        with _opened(self.where[name]) as tensors:
            entry = tensors.get_slice(name)
            found, datatype = tuple(entry.get_shape()), entry.get_dtype()
        if found != shape:
            raise FreeholdError(
                "tensor_misshapen", path=self.where[name], tensor=name, expected=list(shape), found=list(found)
            )
        if datatype not in FLOATS:
            raise FreeholdError("weights_quantized", path=self.folder, format=f"{datatype} ({name})")

    def blocks(self, name: str) -> Iterator[Floats]:
        """The tensor as float32, in blocks of rows of about 16 MiB. Raises FreeholdError `weights_corrupt`."""
        with _opened(self.where[name]) as tensors:
            entry = tensors.get_slice(name)
            shape = entry.get_shape()
            if not shape:
                raise FreeholdError("weights_corrupt", path=self.where[name], reason=f"{name} is a scalar")
            for start, stop in spans(shape[0], 4 * int(np.prod(shape[1:], dtype=np.int64))):
                yield self._read(name, entry, slice(start, stop))

    def rows(self, name: str, start: int, stop: int) -> Floats:
        """Rows `start` to `stop` of a tensor as float32. Raises FreeholdError `weights_corrupt`."""
        with _opened(self.where[name]) as tensors:
            return self._read(name, tensors.get_slice(name), slice(start, stop))

    def columns(self, name: str, start: int, stop: int) -> Floats:
        """Columns `start` to `stop` of a matrix as float32. Raises FreeholdError `weights_corrupt`."""
        with _opened(self.where[name]) as tensors:
            return self._read(name, tensors.get_slice(name), (slice(None), slice(start, stop)))

    def _read(self, name: str, entry: Any, part: slice | tuple[slice, ...]) -> Floats:
        try:
            return np.ascontiguousarray(entry[part], dtype=np.float32)
        except SafetensorError as error:
            raise FreeholdError("weights_corrupt", path=self.where[name], reason=str(error)) from error


def spans(count: int, item_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut `count` items of `item_bytes` each into runs of about 16 MiB: (start, stop)."""
    step = max(1, BLOCK_BYTES // max(1, item_bytes))
    for start in range(0, count, step):
        yield start, min(start + step, count)


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise FreeholdError("weights_corrupt", path=file, reason=str(error)) from error
