"""GPUs by NVML, where there are any."""

from freehold.machine.gpu import read_gpus


def test_reading_gpus_needs_no_gpu() -> None:
    """Without a driver there is none; with one, each has a name and memory."""
    for gpu in read_gpus():
        assert gpu.name
        assert gpu.driver
        assert 0 <= gpu.memory_used <= gpu.memory_total
