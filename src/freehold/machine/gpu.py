"""NVIDIA GPUs, by the driver's own library (NVML) where the package nvidia-ml-py is installed."""

from dataclasses import dataclass

try:
    import pynvml
except ImportError:  # an extra: freehold[gpu-metrics]
    pynvml = None


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes."""

    index: int
    name: str
    uuid: str
    driver: str
    memory_total: int
    memory_used: int


def read_gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine; empty without the package, without a driver, and in a container that was given none."""
    if pynvml is None:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        driver = pynvml.nvmlSystemGetDriverVersion()
        return tuple(_read(index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def _read(index: int, driver: str) -> Gpu:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    return Gpu(
        index=index,
        name=pynvml.nvmlDeviceGetName(device),
        uuid=pynvml.nvmlDeviceGetUUID(device),
        driver=driver,
        memory_total=int(memory.total),
        memory_used=int(memory.used),
    )
