"""Installed runtimes."""

from importlib import metadata

import pytest

from freehold.errors import FreeholdError
from freehold.machine.packages import check_onnxruntime, runtime_versions


def test_installed_runtimes_have_their_versions() -> None:
    """Versions come from the packages' metadata."""
    versions = runtime_versions()
    assert versions["onnxruntime"] == metadata.version("onnxruntime")
    assert "onnxruntime-gpu" not in versions
    check_onnxruntime(versions)


@pytest.mark.parametrize(
    ("versions", "keep"),
    [
        ({"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.0", "numpy": "2.4.6"}, "onnxruntime-gpu==1.31.0"),
        ({"onnxruntime": "1.31.1", "onnxruntime-openvino": "1.24.1"}, "onnxruntime==1.31.1"),
    ],
)
def test_two_packages_of_one_module_are_refused_with_the_way_out(versions: dict[str, str], keep: str) -> None:
    """The error names what was found and the two commands that mend it."""
    with pytest.raises(FreeholdError) as caught:
        check_onnxruntime(versions)
    assert caught.value.code == "two_onnxruntimes"
    assert all(f"{name} {version}" in caught.value.cause for name, version in versions.items() if "runtime" in name)
    assert f"pip install {keep}" in caught.value.fix


def test_one_of_them_alone_is_fine() -> None:
    """A CUDA image has only the GPU package."""
    check_onnxruntime({"onnxruntime-gpu": "1.31.0", "openvino": "2026.4.1"})
