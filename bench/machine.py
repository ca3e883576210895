"""What this run ran on, and with which versions."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from bench import environments

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
OURS = ("freehold", "onnxruntime", "openvino", "tokenizers", "numpy", "uvicorn")
PACKAGES = {
    "fastapi": ("fastapi", "uvicorn"),
    "triton": ("nvidia-pytriton",),
    "mlserver": ("mlserver",),
    "infinity": ("infinity-emb", "sentence-transformers"),
    "litserve": ("litserve",),
    "kserve": ("kserve",),
    "bentoml": ("bentoml",),
    "ray": ("ray",),
    "llamacpp": ("llama-cpp-python",),
    "openvinogenai": ("openvino-genai",),
    "ortgenai": ("onnxruntime-genai",),
    "litellm": ("litellm",),
}


def describe() -> dict[str, str]:
    """CPU, cores, kernel, memory, date, and how busy the machine was."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    present = set(facts.get("flags", "").split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{facts.get('model name', platform.machine())}, {len(os.sched_getaffinity(0))} cores",
        "cpu flags": " ".join(flag for flag in FLAGS if flag in present),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before the run": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """Ours as installed, the peers' as locked."""
    found = {name: version(name) for name in OURS}
    for peer in environments.names():
        pinned = environments.versions(peer)
        found |= {f"{name} (peer)": pinned[name] for name in PACKAGES.get(peer, (peer,)) if name in pinned}
    return found
