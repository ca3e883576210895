"""Tests marked `gpu` run where there is one."""

import pytest

from freehold.telemetry.gpu import GpuCollector


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where NVML shows none."""
    if item.get_closest_marker("gpu") and GpuCollector.if_any() is None:
        pytest.skip("NVML shows no GPU here")
