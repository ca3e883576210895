"""Slots in one sparse file, shown as rows by the page table."""

import mmap
import resource
from pathlib import Path

import numpy as np
import pytest

from freehold.artifact import Decoder
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.errors import FreeholdError

DECODER = Decoder(layers=2, kv_heads=2, head_size=16, vocab_size=10)


@pytest.fixture
def memory() -> KvMemory:
    """Three slots and four rows of 64 tokens."""
    memory = KvMemory(Layout.of(DECODER, 63), slots=3, rows=4)
    yield memory
    memory.close()


def shown(memory: KvMemory, plane: int) -> np.ndarray:
    """All rows of a plane, as the runtime is given them."""
    import ctypes

    floats = memory.rows * memory.layout.row_bytes // 4
    array = np.ctypeslib.as_array((ctypes.c_float * floats).from_address(memory.row_address(plane)))
    return array.reshape(memory.rows, -1)


@pytest.mark.parametrize("head_size", [8, 16, 64, 80, 96, 128, 256])
def test_every_head_of_every_row_begins_on_a_page(head_size: int) -> None:
    """Or giving a slot back would tear pages of its neighbour."""
    layout = Layout.of(Decoder(layers=1, kv_heads=3, head_size=head_size, vocab_size=10), 1000)
    assert layout.capacity >= 1001
    assert layout.capacity % layout.grain == 0
    assert layout.capacity * head_size * 4 % mmap.PAGESIZE == 0
    assert layout.row_bytes % mmap.PAGESIZE == 0


def test_a_slot_is_shown_as_the_row_that_it_is_placed_at(memory: KvMemory) -> None:
    """And as a second one, and as nothing else; every plane by itself."""
    for plane in range(4):
        for slot in range(4):
            memory.base.reshape(4, 4, -1)[plane, slot] = 10 * plane + slot
    for row, slot in enumerate((2, 0, 2, 1)):
        memory.place(row, slot)
    for plane in range(4):
        assert [set(row) for row in shown(memory, plane)] == [{10 * plane + slot} for slot in (2, 0, 2, 1)]


def test_what_is_written_to_a_row_is_in_its_slot(memory: KvMemory) -> None:
    """Rows are windows, not copies; placing another slot changes neither."""
    memory.place(0, 1)
    shown(memory, 3)[0] = 7.0
    assert (memory.base[1, 1, 1] == 7.0).all()
    memory.place(0, 2)
    assert (shown(memory, 3)[0] == 0.0).all()
    assert (memory.base[1, 1, 1] == 7.0).all()


def test_addresses_of_slots_are_where_their_planes_lie(memory: KvMemory) -> None:
    """A prompt is computed in its slot itself."""
    for plane in range(4):
        for slot in range(3):
            expected = memory.base[plane // 2, plane % 2, slot].ctypes.data
            assert memory.slot_address(plane, slot) == expected


def test_memory_is_taken_when_it_is_written_and_given_back_when_a_slot_is_cleared(memory: KvMemory) -> None:
    """Capacity itself costs nothing."""
    assert memory.resident_bytes == 0
    memory.base[:, :, 1] = 1.0
    memory.base[:, :, 2] = 2.0
    assert memory.resident_bytes == 2 * 4 * memory.layout.row_bytes
    memory.place(0, 1)
    memory.clear(1)
    assert memory.resident_bytes == 4 * memory.layout.row_bytes
    assert (shown(memory, 0)[0] == 0.0).all()
    assert (memory.base[:, :, 2] == 2.0).all()


def test_closing_twice_is_once() -> None:
    """Whoever closes last need not know."""
    memory = KvMemory(Layout.of(DECODER, 10), slots=1, rows=1)
    memory.close()
    memory.close()


def mappings() -> list[str]:
    """Where memory for keys and values is mapped in this process: other tests' engines may be alive."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if "freehold-kv" in line]


@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_FSIZE], ids=["ulimit -v", "ulimit -f"])
def test_space_that_the_system_refuses_is_said_with_its_size(limit: int) -> None:
    """Whether for addresses or for the sparse file; nothing of it stays open or mapped."""
    soft, hard = resource.getrlimit(limit)
    layout = Layout.of(Decoder(layers=80, kv_heads=8, head_size=128, vocab_size=10), 1 << 20)
    held, mapped = sorted(Path("/proc/self/fd").iterdir()), mappings()
    resource.setrlimit(limit, (1 << 40, hard))
    try:
        with pytest.raises(FreeholdError) as refused:
            KvMemory(layout, slots=8, rows=8)
    finally:
        resource.setrlimit(limit, (soft, hard))
    assert refused.value.code == "kv_memory_refused"
    assert "MiB" in refused.value.cause
    assert sorted(Path("/proc/self/fd").iterdir()) == held
    assert mappings() == mapped


def test_rows_that_show_no_slot_are_no_memory(memory: KvMemory) -> None:
    """A system that promises no more than it has would count them otherwise, although nobody ever writes there."""
    memory.place(0, 1)
    begin = memory.row_address(0) + memory.layout.row_bytes
    (access,) = [
        line.split()[1]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if int(line.split("-")[0], 16) <= begin < int(line.split("-")[1].split()[0], 16)
    ]
    assert access == "---p"
