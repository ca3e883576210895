"""Arrays in an .npz that somebody else wrote: never unpickled, and damage of every sort is one error."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# What NumPy and zipfile raise for headers, sizes and compressed bytes that make no sense; encrypted and exotic archives
# are RuntimeErrors, and a shape of more elements than there is memory is a MemoryError.
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    OverflowError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


class UnsoundArraysError(Exception):
    """What a file holds is not arrays; the text says why."""


def read_arrays(path: Path, most: int) -> dict[str, Array]:
    """Every array in the .npz at `path` by its name. Raises UnsoundArraysError, also for more than `most` bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > most:
            raise UnsoundArraysError(f"{path.name} unpacks to {size >> 20} MB")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except DAMAGE as error:
        raise UnsoundArraysError(f"{path.name} cannot be read: {error}") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy hands out the bytes of a member that has no header of its own
            raise UnsoundArraysError(f"{path.name} holds {name!r}, which is no array")
    return arrays
