"""Memory of a machine and of a container on it."""

from freehold.machine.memory import Memory, parse_meminfo, read_memory, within

MEMINFO = """\
MemTotal:       24684084 kB
MemFree:        24141896 kB
MemAvailable:   24194788 kB
Buffers:            6696 kB
"""
GIB = 1 << 30


def test_meminfo_is_in_kib() -> None:
    """The kernel writes kB and means 1,024 bytes."""
    assert parse_meminfo(MEMINFO) == Memory(24684084 * 1024, 24194788 * 1024)


def test_a_container_sees_its_own_limit() -> None:
    """The tighter of machine and group counts, for both figures."""
    machine = Memory(64 * GIB, 1 * GIB)
    assert within(machine, (4 * GIB, 3 * GIB)) == Memory(4 * GIB, 1 * GIB)
    assert within(machine, (128 * GIB, 100 * GIB)) == machine
    assert within(machine, None) == machine


def test_this_machine_can_be_read() -> None:
    """The real files of this machine parse."""
    memory = read_memory()
    assert 0 < memory.available <= memory.total
