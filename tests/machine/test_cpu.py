"""The processor, from recorded /proc/cpuinfo texts."""

import dataclasses

from freehold.machine.cpu import Cpu, CpuInfo, cpu_key, parse_cpuinfo, read_cpu, usable

XEON = """\
processor	: {number}
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) Platinum 8480+
physical id	: 0
siblings	: 4
core id		: {core}
cpu cores	: 2
flags		: fpu sse4_2 avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8
"""
# Two cores with two threads each, numbered as Linux does: 0 and 2 share a core, so do 1 and 3.
X86 = "\n".join(XEON.format(number=number, core=number % 2) for number in range(4))

ARM = "\n".join(
    f"""\
processor	: {number}
BogoMIPS	: 2100.00
Features	: fp asimd evtstrm aes asimdhp cpuid asimddp sve i8mm bf16
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x1
CPU part	: 0xd40
CPU revision	: 1
"""
    for number in range(4)
)


def test_threads_of_one_core_are_one_core() -> None:
    """Hyper-threads share a core's arithmetic, so they count once."""
    cpu = usable(parse_cpuinfo(X86), frozenset(range(4)), None, "x86_64")
    assert (cpu.logical, cpu.physical, cpu.usable_cores) == (4, 2, 2)


def test_affinity_leaves_only_its_cores() -> None:
    """`taskset -c 0,2` gives both threads of one core."""
    cpu = usable(parse_cpuinfo(X86), frozenset({0, 2}), None, "x86_64")
    assert (cpu.logical, cpu.physical) == (2, 1)


def test_a_quota_rounds_down_to_whole_cores_but_never_to_none() -> None:
    """1.5 CPUs run one thread without throttling; half a CPU still runs one."""
    info = parse_cpuinfo(X86)
    assert usable(info, frozenset(range(4)), 1.5, "x86_64").usable_cores == 1
    assert usable(info, frozenset(range(4)), 0.5, "x86_64").usable_cores == 1
    assert usable(info, frozenset(range(4)), 64.0, "x86_64").usable_cores == 2


def test_flags_of_x86_say_what_it_can_compute() -> None:
    """Sapphire Rapids has all of them."""
    cpu = usable(parse_cpuinfo(X86), frozenset({0}), None, "x86_64")
    assert cpu.model == "Intel(R) Xeon(R) Platinum 8480+"
    assert (cpu.avx2, cpu.avx512, cpu.vnni, cpu.bf16, cpu.amx) == (True,) * 5


def test_arm_has_no_core_ids_and_no_model_name() -> None:
    """Each processor is a core, and implementer with part name it."""
    cpu = usable(parse_cpuinfo(ARM), frozenset(range(4)), None, "aarch64")
    assert cpu.physical == 4
    assert cpu.model == "arm 0x41 0xd40"
    assert (cpu.avx2, cpu.avx512, cpu.vnni, cpu.bf16, cpu.amx) == (False, False, True, True, False)


def test_a_kernel_that_tells_nothing_still_has_a_core() -> None:
    """An empty file leaves the affinity mask as the only count."""
    cpu = usable(parse_cpuinfo(""), frozenset({0, 1}), None, "riscv64")
    assert (cpu.model, cpu.physical, cpu.usable_cores) == ("unknown", 2, 2)
    assert not cpu.bf16


def test_the_key_follows_the_processor_and_not_its_share() -> None:
    """Affinity and quota leave it; another flag changes it."""
    info = parse_cpuinfo(X86)
    whole, part = usable(info, frozenset(range(4)), None, "x86_64"), usable(info, frozenset({0}), 0.5, "x86_64")
    assert cpu_key(whole) == cpu_key(part)
    assert cpu_key(dataclasses.replace(whole, flags=whole.flags - {"avx512_bf16"})) != cpu_key(whole)
    assert cpu_key(whole).startswith("x86_64-")


def test_this_machine_can_be_read() -> None:
    """The real files of this machine parse."""
    cpu = read_cpu()
    assert isinstance(cpu, Cpu)
    assert 1 <= cpu.usable_cores <= cpu.logical
    assert cpu.model
    assert isinstance(parse_cpuinfo(""), CpuInfo)
