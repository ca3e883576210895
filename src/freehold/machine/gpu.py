"""NVIDIA GPUs, by the driver's own library (NVML) where the package nvidia-ml-py can use it, else by nvidia-smi."""

import shutil
import subprocess
from dataclasses import dataclass

try:
    import pynvml
except ImportError:  # an extra: freehold[gpu-metrics]
    pynvml = None

_SMI_FIELDS = "index,name,uuid,driver_version,memory.total,memory.used,compute_cap"
_SMI_S = 20.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes, `capability` of its architecture as NVIDIA writes it ("9.0")."""

    index: int
    name: str
    uuid: str
    driver: str
    memory_total: int
    memory_used: int
    capability: str = ""


def read_gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; empty without a driver, and in a container that was given none."""
    if pynvml is None:
        return _by_smi()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return _by_smi()
    try:
        driver = pynvml.nvmlSystemGetDriverVersion()
        return tuple(_read(index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def parse_smi(table: str) -> tuple[Gpu, ...]:
    """The rows of `nvidia-smi --query-gpu --format=csv,noheader,nounits`; memory stands in MiB there.

    A line of another form (a driver that is not running prints a sentence) is left out.
    """
    gpus = []
    for line in table.splitlines():
        match [cell.strip() for cell in line.split(",")]:
            case [index, name, uuid, driver, total, used, capability] if all(
                cell.isdigit() for cell in (index, total, used)
            ):
                gpus.append(Gpu(int(index), name, uuid, driver, int(total) * _MIB, int(used) * _MIB, capability))
    return tuple(gpus)


def _by_smi() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, f"--query-gpu={_SMI_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_S, check=False)  # noqa: S603 - the driver's own
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_smi(asked.stdout)


def _read(index: int, driver: str) -> Gpu:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(device)
    return Gpu(
        index=index,
        name=pynvml.nvmlDeviceGetName(device),
        uuid=pynvml.nvmlDeviceGetUUID(device),
        driver=driver,
        memory_total=int(memory.total),
        memory_used=int(memory.used),
        capability=f"{major}.{minor}",
    )
