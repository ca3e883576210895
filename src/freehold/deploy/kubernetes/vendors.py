"""Accelerators in Kubernetes, by the resource that their vendors' device plugins give to nodes: data, and its reading.

A pod asks for them in `limits` alone: an extended resource has no other request, and is a whole number
(https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/). Names are those of each vendor's own plugin; a cluster
may rename them, so any other name is passed on as it is written.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accelerator:
    """One vendor's cards. `resource` ends in "*" where a family of names shares the beginning.

    `label` is what the vendor's discovery puts on nodes, to choose one kind of card by `nodeSelector`; "" where it has
    none. `taint` is the key that clusters usually keep other pods off with. `cuda`: our image for CUDA computes there.
    """

    vendor: str
    resource: str
    plugin: str
    label: str = ""
    taint: str = ""
    cuda: bool = False
    source: str = ""


ACCELERATORS = (
    Accelerator(
        "NVIDIA",
        "nvidia.com/gpu",
        "nvidia-device-plugin",
        label="nvidia.com/gpu.product",
        taint="nvidia.com/gpu",
        cuda=True,
        source="https://github.com/NVIDIA/k8s-device-plugin",
    ),
    Accelerator(  # with the plugin's time slicing and renameByDefault
        "NVIDIA, shared",
        "nvidia.com/gpu.shared",
        "nvidia-device-plugin",
        label="nvidia.com/gpu.product",
        taint="nvidia.com/gpu",
        cuda=True,
        source="https://github.com/NVIDIA/k8s-device-plugin#shared-access-to-gpus",
    ),
    Accelerator(  # by the mixed strategy: mig-<compute slices>g.<memory>gb
        "NVIDIA MIG",
        "nvidia.com/mig-*",
        "nvidia-device-plugin with migStrategy: mixed",
        label="nvidia.com/mig.strategy",
        taint="nvidia.com/gpu",
        cuda=True,
        source="https://docs.nvidia.com/datacenter/cloud-native/kubernetes/latest/index.html",
    ),
    Accelerator(
        "AMD",
        "amd.com/gpu",
        "amdgpu-device-plugin",
        label="amd.com/gpu.product-name",
        taint="amd.com/gpu",
        source="https://github.com/ROCm/k8s-device-plugin",
    ),
    Accelerator(
        "Intel",
        "gpu.intel.com/xe",
        "intel-gpu-plugin",
        label="gpu.intel.com/product",
        source="https://github.com/intel/intel-device-plugins-for-kubernetes",
    ),
    Accelerator(
        "Intel, older driver",
        "gpu.intel.com/i915",
        "intel-gpu-plugin",
        label="gpu.intel.com/product",
        source="https://github.com/intel/intel-device-plugins-for-kubernetes",
    ),
    Accelerator(
        "Intel Gaudi",
        "habana.ai/gaudi",
        "habanalabs-device-plugin",
        source="https://docs.habana.ai/en/latest/Installation_Guide/Additional_Installation/Kubernetes_Installation/",
    ),
    Accelerator(
        "Huawei Ascend",
        "huawei.com/Ascend*",
        "ascend-device-plugin",
        label="accelerator",
        source="https://gitcode.com/Ascend/mind-cluster",
    ),
    Accelerator(
        "Huawei Ascend",
        "huawei.com/npu",
        "ascend-device-plugin",
        label="accelerator",
        source="https://gitcode.com/Ascend/mind-cluster",
    ),
    Accelerator(
        "Cambricon",
        "cambricon.com/mlu*",
        "cambricon-device-plugin",
        source="https://github.com/Cambricon/cambricon-k8s-device-plugin",
    ),
    Accelerator("Hygon", "hygon.com/dcu", "hygon-device-plugin", source="https://developer.hpccube.com"),
    Accelerator(
        "Hygon, by HAMi",
        "hygon.com/dcunum",
        "hami-device-plugin",
        source="https://github.com/Project-HAMi/HAMi/blob/master/docs/hygon-dcu-support.md",
    ),
    Accelerator("MetaX", "metax-tech.com/gpu", "metax-gpu-operator", source="https://github.com/Project-HAMi/HAMi"),
    Accelerator("Moore Threads", "mthreads.com/gpu", "mthreads-gpu-operator", source="https://docs.mthreads.com"),
    Accelerator("Kunlunxin", "kunlunxin.com/xpu", "kunlunxin-device-plugin", source="https://github.com/Project-HAMi"),
    Accelerator(
        "Iluvatar",
        "iluvatar.com/gpu",
        "ix-device-plugin",
        source="https://github.com/Deep-Spark/ix-device-plugin",
    ),
    Accelerator("Enflame", "enflame.com/gcu", "gcu-k8s-device-plugin", source="https://github.com/Project-HAMi/HAMi"),
)


def accelerator(resource: str) -> Accelerator | None:
    """The row of a resource's name as a configuration writes it; None for one that the table does not know.

    `nvidia.com/mig-1g.10gb` is a row of `nvidia.com/mig-*`; an exact row goes before a family.
    """
    exact = (row for row in ACCELERATORS if row.resource == resource)
    families = (row for row in ACCELERATORS if row.resource.endswith("*"))
    family = (row for row in families if resource.startswith(row.resource.removesuffix("*")))
    return next(exact, None) or next(family, None)
