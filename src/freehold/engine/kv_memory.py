"""Keys and values in memory whose rows are placed by the page table.

The decode graph wants the sequences of a step as neighbouring rows of one buffer, and sequences come and go. Instead
of copying them together, every slot stays where it is in one sparse anonymous file, and is mapped as the row that it is
needed as. That costs a few microseconds a layer, and a slot may show up as several rows at once: drafts of one sequence
are verified as rows of one token each, by the very kernels that decode it.

Pages exist from the first write on and are given back by punching them out of the file, so that capacity costs address
space alone.
"""

import ctypes
import math
import mmap
import os
from dataclasses import dataclass

import numpy as np

from freehold.artifact.manifest import Decoder
from freehold.engine.base import Array
from freehold.errors import FreeholdError

FLOAT_BYTES = 4
MAP_FIXED, MAP_NORESERVE = 0x10, 0x4000
PROT_NONE, READ_WRITE = 0, mmap.PROT_READ | mmap.PROT_WRITE
MADV_REMOVE = 9
LEAST_TOKENS = 15
"""However short the context: `DecoderSession.measure` fills the first places of a slot."""
BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system."""


@dataclass(frozen=True)
class Layout:
    """Where things lie: [layers, key and value, slots, kv_heads, capacity, head_size] of float32.

    `capacity` is in tokens, rounded up so that every head of every row begins on a page.
    """

    layers: int
    kv_heads: int
    head_size: int
    capacity: int

    @classmethod
    def of(cls, decoder: Decoder, context_length: int) -> "Layout":
        """The layout for sequences of up to `context_length` tokens, and one that evens a slice out."""
        grain = cls._grain(decoder.head_size)
        capacity = math.ceil((max(context_length, LEAST_TOKENS) + 1) / grain) * grain
        return cls(decoder.layers, decoder.kv_heads, decoder.head_size, capacity)

    @staticmethod
    def _grain(head_size: int) -> int:
        return mmap.PAGESIZE // math.gcd(mmap.PAGESIZE, head_size * FLOAT_BYTES)

    @property
    def grain(self) -> int:
        """Tokens that whole pages hold: memory is taken and given back in steps of this."""
        return self._grain(self.head_size)

    @property
    def token_bytes(self) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * FLOAT_BYTES

    @property
    def row_bytes(self) -> int:
        """One layer's keys, or values, of one row."""
        return self.kv_heads * self.capacity * self.head_size * FLOAT_BYTES


class KvMemory:
    """`slots` places for a sequence each, and one more, `scratch`, for rows that only fill up a step.

    `base` is where slots lie; `rows` rows that show slots are placed with `place`. Used from one thread at a time.
    """

    def __init__(self, layout: Layout, slots: int, rows: int) -> None:
        """Raises FreeholdError `kv_memory_refused` when the system grants no such mapping."""
        self.layout = layout
        self.slots, self.scratch, self.rows = slots, slots, rows
        self._planes = 2 * layout.layers
        self._libc = _libc()
        self._placed = [-1] * rows
        self._base_bytes = self._planes * (slots + 1) * layout.row_bytes
        self._view_bytes = self._planes * rows * layout.row_bytes
        self._file, self._base, self._view = -1, 0, 0
        try:
            self._file = os.memfd_create("freehold-kv")
            os.truncate(self._file, self._base_bytes)
            self._base = self._map(None, self._base_bytes, mmap.MAP_SHARED | MAP_NORESERVE, self._file, 0)
            # Without access it is no memory that a system which promises none beyond what it has would count.
            anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
            self._view = self._map(None, self._view_bytes, anonymous, -1, 0, PROT_NONE)
        except OSError as error:
            self.close()
            raise _refused("memfd", self._base_bytes, error.errno) from error
        except FreeholdError:
            self.close()
            raise
        shape = (layout.layers, 2, slots + 1, layout.kv_heads, layout.capacity, layout.head_size)
        floats = (ctypes.c_float * (self._base_bytes // FLOAT_BYTES)).from_address(self._base)
        self.base: Array = np.ctypeslib.as_array(floats).reshape(shape)

    def slot_address(self, plane: int, slot: int) -> int:
        """Where the keys (`plane` 2 x layer) or values (2 x layer + 1) of a slot lie."""
        return self._base + (plane * (self.slots + 1) + slot) * self.layout.row_bytes

    def row_address(self, plane: int) -> int:
        """Where the first row of a plane is shown; the others follow."""
        return self._view + plane * self.rows * self.layout.row_bytes

    def place(self, row: int, slot: int) -> None:
        """Show `slot` as row `row` of every plane. Costs nothing when it is there already."""
        if self._placed[row] == slot:
            return
        size = self.layout.row_bytes
        for plane in range(self._planes):
            offset = (plane * (self.slots + 1) + slot) * size
            self._map(self.row_address(plane) + row * size, size, mmap.MAP_SHARED | MAP_FIXED, self._file, offset)
        self._placed[row] = slot

    def clear(self, slot: int) -> None:
        """Give back the memory of a slot; what is read there afterwards is zero."""
        for plane in range(self._planes):
            if self._libc.madvise(self.slot_address(plane, slot), self.layout.row_bytes, MADV_REMOVE):
                raise _refused("madvise", self.layout.row_bytes, ctypes.get_errno())

    @property
    def resident_bytes(self) -> int:
        """Memory that sequences really occupy."""
        return os.fstat(self._file).st_blocks * BLOCK_BYTES

    def close(self) -> None:
        """Give everything back. Nothing may run on it any more."""
        if self._file >= 0:
            self.base = np.empty(0, np.float32)
            for address, size in ((self._view, self._view_bytes), (self._base, self._base_bytes)):
                if address:
                    self._libc.munmap(address, size)
            os.close(self._file)
            self._file = -1

    def _map(self, address: int | None, size: int, flags: int, file: int, offset: int, access: int = READ_WRITE) -> int:
        mapped = self._libc.mmap(address, size, access, flags, file, offset)
        if mapped is None or mapped == ctypes.c_void_p(-1).value:
            raise _refused("mmap", size, ctypes.get_errno())
        return int(mapped)


def _libc() -> ctypes.CDLL:
    """The C library: Python's own `mmap` cannot map at an address of the caller's."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    ]  # fmt: skip
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


def _refused(call: str, size: int, number: int | None) -> FreeholdError:
    return FreeholdError("kv_memory_refused", call=call, size_mb=size >> 20, reason=os.strerror(number or 0))
