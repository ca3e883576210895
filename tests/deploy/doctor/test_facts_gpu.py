"""NVIDIA's facts, from programs that print what drivers of several ages print."""

from importlib import metadata
from pathlib import Path

import pytest

from freehold.deploy.doctor import facts_gpu
from freehold.deploy.doctor.reading import UnreadableError
from tests.deploy.doctor.conftest import Program

HEADER = "echo '| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4     |'"


def test_a_driver_tells_its_gpus_and_the_cuda_that_it_runs(program: Program) -> None:
    """Memory in MiB, the architecture as NVIDIA writes it."""
    row = "echo '0, NVIDIA A100-SXM4-80GB, 550.54.15, 81920, 8.0'"
    program("nvidia-smi", f'case "$1" in --query*) {row};; *) {HEADER};; esac')
    assert facts_gpu.nvidia() == {
        "driver": "550.54.15",
        "cuda": "12.4",
        "gpus": [{"index": 0, "name": "NVIDIA A100-SXM4-80GB", "memory_mb": 81920, "capability": "8.0"}],
    }


def test_an_older_driver_is_asked_without_the_architecture(program: Program) -> None:
    """nvidia-smi of driver 470 refuses the field; a header without a version of CUDA leaves it out."""
    refuses = "echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2"
    program(
        "nvidia-smi", f'case "$1" in *compute_cap*) {refuses};; --query*) echo "0, Tesla T4, 470.223.02, 15109";; esac'
    )
    gpus = [{"index": 0, "name": "Tesla T4", "memory_mb": 15109}]
    assert facts_gpu.nvidia() == {"driver": "470.223.02", "gpus": gpus}


def test_a_driver_that_does_not_answer_is_told_by_its_module(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade without a restart the module's version is there, and nvidia-smi's complaint."""
    program("nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch' >&2; exit 18")
    module = tmp_path / "version"
    module.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n")
    monkeypatch.setattr(facts_gpu, "MODULE_VERSION", str(module))
    found = facts_gpu.nvidia()
    assert (found["driver"], found["gpus"]) == ("535.183.01", [])
    assert found["trouble"].endswith("Driver/library version mismatch")
    module.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
    assert facts_gpu.nvidia()["driver"] == "580.65.06"
    module.write_text("?\n")
    with pytest.raises(UnreadableError, match="mismatch"):
        facts_gpu.nvidia()


def test_a_machine_without_a_driver_says_what_is_missing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of NVIDIA's is there."""
    monkeypatch.setattr(facts_gpu, "MODULE_VERSION", "/nonexistent/version")
    for reader in (facts_gpu.nvidia, facts_gpu.nvcc, facts_gpu.nvidia_toolkit):
        with pytest.raises(UnreadableError, match=r"No such file|on the PATH"):
            reader()


def test_rows_that_are_no_gpu_are_left_out() -> None:
    """A card that tells no memory keeps its name."""
    gpus, driver = facts_gpu.parse_smi("No devices were found\n0, H100, 560.1, [N/A], [N/A]\n")
    assert (gpus, driver) == ([{"index": 0, "name": "H100"}], "560.1")


def test_toolkits_tell_their_versions(program: Program) -> None:
    """Of CUDA and of containers; text without a version is no fact."""
    program("nvcc", "echo 'Cuda compilation tools, release 12.4, V12.4.131'")
    program("nvidia-container-cli", "echo 'cli-version: 1.15.0'; echo 'lib-version: 1.15.0'")
    assert (facts_gpu.nvcc(), facts_gpu.nvidia_toolkit()) == ("12.4", "1.15.0")
    program("nvcc", "echo hello")
    program("nvidia-container-cli", "echo hello")
    for reader in (facts_gpu.nvcc, facts_gpu.nvidia_toolkit):
        with pytest.raises(UnreadableError, match="names no"):
            reader()


def test_packages_are_those_of_this_python() -> None:
    """Runtimes by the names that pip knows."""
    assert facts_gpu.packages()["onnxruntime"] == metadata.version("onnxruntime")
    assert "tensorrt" not in facts_gpu.packages()
