"""NVIDIA GPUs by NVML, read when somebody scrapes. Needs the package nvidia-ml-py, a driver and a GPU."""

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from freehold.telemetry import names


class GpuCollector(Collector):
    """Memory, load, power and temperature of every GPU that the driver shows this process."""

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        self._gpus: list[tuple[str, Any]] = [
            (str(index), nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())
        ]

    @classmethod
    def if_any(cls) -> "GpuCollector | None":
        """A collector where there is a GPU; None where package, driver or GPU are missing."""
        try:
            nvml = import_module("pynvml")
        except ImportError:
            return None
        try:
            nvml.nvmlInit()
            gpus = cls(nvml)
        except nvml.NVMLError:
            return None
        return gpus if gpus._gpus else None

    def collect(self) -> Iterable[Family]:
        nvml = self._nvml
        return [
            self._family(names.GPU_USED_BYTES, lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used),
            self._family(names.GPU_TOTAL_BYTES, lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total),
            self._family(names.GPU_BUSY_RATIO, lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100),
            self._family(names.GPU_POWER_WATTS, lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
            self._family(
                names.GPU_TEMPERATURE, lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
            ),
        ]

    def _family(self, metric: names.Metric, read: Any) -> Family:
        """One reading a GPU; a reading that this GPU does not offer (MIG slices have no power) is left out."""
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        for name, gpu in self._gpus:
            try:
                family.add_metric([name], float(read(gpu)))
            except self._nvml.NVMLError:
                continue
        return family
