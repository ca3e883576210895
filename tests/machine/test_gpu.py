"""GPUs by NVML or nvidia-smi, where there are any."""

from freehold.machine.gpu import Gpu, parse_smi, read_gpus


def test_reading_gpus_needs_no_gpu() -> None:
    """Without a driver there is none; with one, each has a name and memory."""
    for gpu in read_gpus():
        assert gpu.name
        assert gpu.driver
        assert 0 <= gpu.memory_used <= gpu.memory_total


def test_the_drivers_own_table_is_read() -> None:
    """Memory in MiB; a name may hold anything but a comma, and a sentence is no row."""
    table = "0, NVIDIA H100 80GB HBM3, GPU-1f, 550.54.15, 81559, 4, 9.0\n1, Tesla T4, GPU-2, 550.54.15, 15360, 0, 7.5\n"
    assert parse_smi(table) == (
        Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-1f", "550.54.15", 81559 << 20, 4 << 20, "9.0"),
        Gpu(1, "Tesla T4", "GPU-2", "550.54.15", 15360 << 20, 0, "7.5"),
    )
    assert parse_smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == ()
    assert parse_smi("") == ()
