"""GPU metrics: there where a GPU is, absent without noise where none is."""

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from freehold.telemetry import Telemetry
from freehold.telemetry.gpu import GpuCollector


def test_without_the_package_there_is_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """nvidia-ml-py is optional."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuCollector.if_any() is None
    assert b"freehold_gpu" not in Telemetry(process=False).exposition()[0]


def test_whatever_the_machine_telemetry_can_be_made() -> None:
    """A package without a driver, or a driver without a GPU, is no error."""
    assert Telemetry(process=False).exposition()[0]


@pytest.mark.gpu
def test_a_gpu_is_measured() -> None:
    """Memory in bytes, load between 0 and 1."""
    text = Telemetry(process=False).exposition()[0].decode()
    said = {family.name: family.samples for family in text_string_to_metric_families(text)}
    used, total = said["freehold_gpu_memory_used_bytes"][0].value, said["freehold_gpu_memory_total_bytes"][0].value
    assert 0 < used < total
    assert total > 1 << 30
    assert 0.0 <= said["freehold_gpu_busy_ratio"][0].value <= 1.0
