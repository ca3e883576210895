"""Which runtimes are installed, read from package metadata without importing any of them."""

from collections.abc import Mapping
from importlib import metadata

from freehold.errors import FreeholdError

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "openvino", "tokenizers", "numpy", "onnx")
# They all install the one module `onnxruntime` over each other: the last one wins, and removing any breaks the rest.
SAME_MODULE = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")


def runtime_versions() -> dict[str, str]:
    """Package -> version for those of `RUNTIMES` that are installed."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_onnxruntime(versions: Mapping[str, str]) -> None:
    """Raise FreeholdError `two_onnxruntimes` when more than one package brings the module `onnxruntime`."""
    installed = [name for name in SAME_MODULE if name in versions]
    if len(installed) > 1:
        keep = "onnxruntime-gpu" if "onnxruntime-gpu" in installed else "onnxruntime"
        raise FreeholdError(
            "two_onnxruntimes",
            found=", ".join(f"{name} {versions[name]}" for name in installed),
            remove=" ".join(installed),
            keep=f"{keep}=={versions[keep]}" if keep in versions else keep,
        )
