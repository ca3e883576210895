"""Each peer in an environment of its own, from its lock file, by plain pip.

A stamp holds the lock file's digest: an environment is made once, and again when its lock file changes. `python -m
bench.environments lock` writes the lock files again from `requirements.in` (needs uv).
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.places import ENVIRONMENTS, PEERS, ROOT

TORCH_LOCKS = (ROOT / "requirements" / "torch-cpu.lock", ROOT / "requirements" / "torch.lock")
WITHOUT_TORCH = PEERS / "without-torch.txt"
NEEDS_TORCH = frozenset({"infinity", "ortgenai"})
FROM_SOURCE: dict[str, str] = {"llamacpp": "llama-cpp-python"}
"""A package that comes without a wheel: it is compiled here, for this processor, which takes some ten minutes."""


def names() -> list[str]:
    """The peers that have a lock file."""
    return sorted(lock.parent.name for lock in PEERS.glob("*/requirements.lock"))


def lock_of(name: str) -> Path:
    """The lock file of peer `name`."""
    return PEERS / name / "requirements.lock"


def ensure(name: str) -> Path:
    """The Python of peer `name`'s environment, made or renewed when needed. Raises CalledProcessError."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    lock = lock_of(name)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "lock.sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([base, "-m", "venv", folder], check=True)
    if name in NEEDS_TORCH:
        _install_torch(python)
    _install(python, lock, FROM_SOURCE.get(name, ""))
    stamp.write_text(digest)
    return python


def _install_torch(python: Path) -> None:
    """The CPU build where pip finds one (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL), else the index's and its CUDA parts."""
    small, large = TORCH_LOCKS
    try:
        _install(python, small)
    except subprocess.CalledProcessError:
        print("pip finds no CPU build of torch: taking the index's, several GB", file=sys.stderr)
        _install(python, large)


def _install(python: Path, lock: Path, from_source: str = "") -> None:
    options = ["-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    options += ["--no-binary", from_source] if from_source else []
    subprocess.run([python, "-m", "pip", "install", *options, "-r", lock], check=True)


def versions(name: str) -> dict[str, str]:
    """What the lock file of `name` pins: package -> version."""
    pinned = {}
    for line in lock_of(name).read_text().splitlines():
        package, equals, version = line.rstrip(" \\").partition("==")
        if equals and not line.startswith((" ", "#")):
            pinned[package.partition("[")[0]] = version.partition(";")[0].strip()
    return pinned


def relock() -> None:
    """Write every lock file again; what is locked stays where `requirements.in` still allows it."""
    for source in sorted(PEERS.glob("*/requirements.in")):
        options = ["--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
        if source.parent.name in NEEDS_TORCH:
            options += ["--overrides", str(WITHOUT_TORCH)]
        target = source.with_name("requirements.lock")
        command = ["uv", "pip", "compile", *options, "--python-version", "3.11", str(source), "-o", str(target)]
        subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        relock()
    else:
        for peer in sys.argv[1:] or names():
            print(f"{peer}: {ensure(peer)}")
