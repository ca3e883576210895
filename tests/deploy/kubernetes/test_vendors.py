"""The table of accelerators knows each vendor's resource, and MIG's many names by their family."""

import re

import pytest

from freehold.deploy.kubernetes.vendors import ACCELERATORS, accelerator

RESOURCE = re.compile(r"[a-z0-9.-]+/[A-Za-z0-9][A-Za-z0-9._-]*\*?")


def test_every_row_is_a_name_that_kubernetes_takes() -> None:
    """A prefix that is a DNS name, a slash, a name; each once."""
    resources = [row.resource for row in ACCELERATORS]
    assert all(RESOURCE.fullmatch(resource) for resource in resources)
    assert len(set(resources)) == len(resources)


@pytest.mark.parametrize(
    ("resource", "vendor"),
    [
        ("nvidia.com/gpu", "NVIDIA"),
        ("nvidia.com/mig-1g.10gb", "NVIDIA MIG"),
        ("nvidia.com/mig-3g.40gb", "NVIDIA MIG"),
        ("amd.com/gpu", "AMD"),
        ("huawei.com/Ascend910", "Huawei Ascend"),
        ("huawei.com/Ascend310P", "Huawei Ascend"),
        ("cambricon.com/mlu", "Cambricon"),
        ("cambricon.com/mlu370", "Cambricon"),
        ("hygon.com/dcu", "Hygon"),
        ("hygon.com/dcunum", "Hygon, by HAMi"),
        ("gpu.intel.com/xe", "Intel"),
    ],
)
def test_a_resource_finds_its_row(resource: str, vendor: str) -> None:
    """An exact name, or a name of a family."""
    row = accelerator(resource)
    assert row is not None
    assert row.vendor == vendor


@pytest.mark.parametrize("resource", ["example.com/fpga", "nvidia.com/gpus", "huawei.com/Asc", ""])
def test_an_unknown_resource_has_no_row(resource: str) -> None:
    """It is passed on as it is written."""
    assert accelerator(resource) is None


def test_only_nvidia_computes_cuda() -> None:
    """Our image for CUDA is for no other vendor's cards."""
    assert {row.vendor.partition(" ")[0].rstrip(",") for row in ACCELERATORS if row.cuda} == {"NVIDIA"}
