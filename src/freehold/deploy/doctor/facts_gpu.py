"""Facts of NVIDIA's driver, libraries and container toolkit, and of the Python packages that compute with them."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import metadata
from typing import Any

from freehold.deploy.doctor.reading import Reader, UnreadableError, output_of, read_text

PACKAGES = (
    "freehold",
    "numpy",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "openvino",
    "tensorrt",
    "tensorrt-cu12",
    "tensorrt-cu13",
)
MODULE_VERSION = "/proc/driver/nvidia/version"
SMI_FIELDS = "index,name,driver_version,memory.total,compute_cap"
SMI_S = 20.0  # the first call wakes a card whose driver does not stay loaded


def nvidia() -> dict[str, Any]:
    """`{driver, cuda, gpus: [{index, name, memory_mb, capability}]}`; `cuda` is the newest that the driver runs.

    Where nvidia-smi is absent or fails, the loaded driver tells its version, and `trouble` what nvidia-smi said.
    Raises UnreadableError where there is no driver. `memory_mb` is in MiB.
    """
    try:
        gpus, driver = parse_smi(_table())
    except UnreadableError as error:
        return _driver_alone(error)
    found: dict[str, Any] = {"driver": driver, "gpus": gpus}
    with suppress(UnreadableError):
        cuda = re.search(r"CUDA Version:\s*([0-9.]+)", output_of(["nvidia-smi"], SMI_S))
        found.update({"cuda": cuda.group(1)} if cuda else {})
    return found


def _table() -> str:
    """The rows of nvidia-smi, without `compute_cap` where it is older than driver 510 and does not know that field."""
    try:
        return output_of(["nvidia-smi", f"--query-gpu={SMI_FIELDS}", "--format=csv,noheader,nounits"], SMI_S)
    except UnreadableError as error:
        if "not a valid field" not in str(error):
            raise
    fields = SMI_FIELDS.replace(",compute_cap", "")
    return output_of(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"], SMI_S)


def parse_smi(table: str) -> tuple[list[dict[str, Any]], str]:
    """GPUs, and the driver's version, of the rows of `nvidia-smi --query-gpu`; memory stands in MiB there."""
    gpus, driver = [], ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) < 4 or not cells[0].isdigit():
            continue
        gpu: dict[str, Any] = {"index": int(cells[0]), "name": cells[1]}
        if cells[3].isdigit():
            gpu["memory_mb"] = int(cells[3])
        if len(cells) > 4 and re.match(r"[0-9]+\.[0-9]+$", cells[4]):
            gpu["capability"] = cells[4]
        gpus.append(gpu)
        driver = cells[2]
    return gpus, driver


def _driver_alone(error: UnreadableError) -> dict[str, Any]:
    """The kernel module tells its version even where nvidia-smi is absent or fails, whose reason is kept."""
    version = re.search(r"Kernel Module\s+(?:for \S+\s+)?([0-9.]+)", read_text(MODULE_VERSION))
    if version is None:
        raise error
    return {"driver": version.group(1), "gpus": [], "trouble": str(error)}


def nvcc() -> str:
    """The version of the CUDA toolkit ("12.2"), which only those need who compile."""
    text = output_of(["nvcc", "--version"])
    release = re.search(r"release ([0-9.]+)", text)
    if release is None:
        raise UnreadableError("nvcc --version names no release")
    return release.group(1)


def nvidia_toolkit() -> str:
    """The version of the NVIDIA Container Toolkit ("1.14.3")."""
    text = output_of(["nvidia-container-cli", "--version"])
    version = re.search(r"version:\s*([0-9.]+)", text)
    if version is None:
        raise UnreadableError("nvidia-container-cli --version names no version")
    return version.group(1)


def packages() -> dict[str, str]:
    """Version by name of what is installed for this Python; in doctor.pyz on a bare host that is nothing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


READERS: dict[str, Reader] = {"nvidia": nvidia, "nvcc": nvcc, "nvidia_toolkit": nvidia_toolkit, "packages": packages}
