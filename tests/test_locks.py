"""What the locks of the image keep: one set of versions, one ONNX Runtime each, wheels for both kinds of machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).parents[1]
NVIDIA = re.compile(r"nvidia-[a-z0-9-]+")


def locked(name: str, machine: str = "x86_64") -> dict[str, str]:
    """Package -> version, of what pip installs on Linux on such a machine."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    entries = re.findall(r"^([A-Za-z0-9._-]+)==([^ ]+) (?:; (.+) )?\\$", text, flags=re.MULTILINE)
    here = {"platform_machine": machine, "sys_platform": "linux"}
    return {name: version for name, version, marker in entries if not marker or Marker(marker).evaluate(here)}


def test_the_cuda_lock_is_the_base_lock_with_another_runtime() -> None:
    """The same versions of all the rest, NVIDIA's libraries beside them, and never two packages of one module."""
    base, cuda = locked("base"), locked("cuda")
    added = {name for name in cuda if name not in base}
    assert base.keys() - cuda.keys() == {"onnxruntime"}
    assert {name for name in added if not NVIDIA.fullmatch(name)} == {"onnxruntime-gpu"}
    assert cuda["onnxruntime-gpu"] == base["onnxruntime"]
    assert {name: cuda[name] for name in base.keys() & cuda.keys()} == {
        name: version for name, version in base.items() if name != "onnxruntime"
    }


@pytest.mark.parametrize("lock", ["base", "cuda"])
def test_what_the_image_adds_agrees_with_what_it_is_added_to(lock: str) -> None:
    """A package that both locks name has one version, so that pip can install both at once."""
    beside, given = locked("image"), locked(lock)
    assert {name: beside[name] for name in beside.keys() & given.keys()} == {
        name: given[name] for name in beside.keys() & given.keys()
    }


@pytest.mark.parametrize("lock", ["base", "image"])
def test_the_locks_of_the_cpu_image_are_for_every_machine(lock: str) -> None:
    """aarch64 installs what x86_64 does."""
    assert "onnxruntime" in locked("base")
    assert locked(lock, "aarch64") == locked(lock)


@pytest.mark.soak
def test_every_wheel_is_there_for_aarch64() -> None:
    """By the hashes of the locks, from the index that pip is set up with."""
    settings = {**os.environ, "IMAGE_MACHINE": "aarch64", "PYTHON": sys.executable}
    command = [ROOT / "tools" / "wheels.sh", "requirements/base.lock", "requirements/image.lock"]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    wheels = [path.name for path in Path(done.stdout.strip()).glob("*.whl")]
    assert len([name for name in wheels if "aarch64" in name]) > 10
    assert [name for name in wheels if "aarch64" not in name and not name.endswith("-any.whl")] == []
