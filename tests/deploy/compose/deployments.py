"""Deployments by hand, as small as they show a thing."""

from dataclasses import replace
from typing import Any

import msgspec

from freehold.config import Gpus, ModelConfig
from freehold.config.deploying import Deploy
from freehold.deploy.units import Deployment, Mount, SecretFile, Unit

IMAGE = "freehold/freehold:1.0.0"
VLLM = "docker.io/vllm/vllm-openai:v0.11.0"
INTERNAL = SecretFile("internal")
CONFIGURATION = "/etc/freehold/freehold.yaml"


def unit(name: str, revision: str, **more: Any) -> Unit:
    """A unit of ours that serves one model of its own name."""
    settled: dict[str, Any] = {
        "role": "models",
        "models": (ModelConfig(id=name, source=f"/models/{name}"),),
        "image": IMAGE,
        "command": ("serve", CONFIGURATION, "--host", "0.0.0.0"),
        "files": {CONFIGURATION: f"models:\n  - {{id: {name}, source: /models/{name}}}\n"},
        "secrets": (INTERNAL,),
        "mounts": (
            Mount(f"/srv/models/{name}", f"/models/{name}"),
            Mount(f"/srv/data/{name}", "/app/data", read_only=False),
        ),
        "revision": revision,
    }
    return Unit(name, **{**settled, **more})


def gateway(revision: str = "0a0b0c0d", **more: Any) -> Unit:
    """The one in front of them."""
    settled: dict[str, Any] = {
        "models": (),
        "command": ("gateway", CONFIGURATION, "--host", "0.0.0.0"),
        "files": {CONFIGURATION: "models: []\n"},
        "mounts": (Mount("/srv/data/gateway", "/app/data", read_only=False),),
    }
    return replace(unit("gateway", revision, **{**settled, **more}), role="gateway")


def vllm(name: str, revision: str, **more: Any) -> Unit:
    """A unit with a pinned image of vLLM, on two cards."""
    settled: dict[str, Any] = {
        "role": "vllm",
        "image": VLLM,
        "entrypoint": ("vllm", "serve"),
        "command": (f"/models/{name}", "--served-model-name", name, "--tensor-parallel-size", "2"),
        "port": 8000,
        "environment": {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "HOME": "/tmp"},
        "files": {},
        "secrets": (SecretFile("internal", variable="VLLM_API_KEY"),),
        "gpus": Gpus(2),
        "gpu_ids": ("0", "1"),
        "shm_mb": 4096,
        "ready": "/health",
        "startup_s": 900,
    }
    return unit(name, revision, **{**settled, **more})


def deployment(*units: Unit, front: Unit | None = None, **settings: Any) -> Deployment:
    """`units` behind a gateway; `settings` as below `deploy:`."""
    said = msgspec.convert(settings, Deploy)
    return Deployment(said.name, said, units, front or gateway())


CASES = {
    "one-cpu-model": deployment(unit("minilm", "3f9a12c4", cpu=4.0, memory_mb=2048)),
    "gpu-and-vllm": deployment(
        unit("bge-m3", "11223344", image=f"{IMAGE}-cuda", gpus=Gpus(1), gpu_ids=("2",), memory_mb=6144, startup_s=90),
        vllm("qwen3-32b", "55667788"),
        name="llm",
        host="::1",
        port=9000,
    ),
    "group": deployment(
        unit(
            "text",
            "aabbccdd",
            models=(ModelConfig(id="minilm", source="/models/minilm"), ModelConfig(id="rerank", source="/models/rr")),
            mounts=(Mount("/srv/models", "/models"), Mount("/srv/data/text", "/app/data", read_only=False)),
        ),
        unit("other", "00112233", role="other", image="tritonserver:25.01", secrets=(), files={}, command=("tritond",)),
    ),
    "mirror": deployment(
        unit("minilm", "3f9a12c4", image=f"harbor.corp.example/mirror/{IMAGE}@sha256:{'ab' * 32}"),
        front=gateway(image=f"harbor.corp.example/mirror/{IMAGE}"),
        host="0.0.0.0",
        registry="harbor.corp.example/mirror",
    ),
    "secrets-and-odd-paths": deployment(
        unit(
            "minilm",
            "3f9a12c4",
            environment={"PRICE": "$5 ${NOT_A_VARIABLE}"},
            mounts=(Mount("/srv/our models: $new", "/models"), Mount("/srv/it's data", "/app/data", read_only=False)),
        ),
        front=gateway(
            secrets=(
                INTERNAL,
                SecretFile("corp", "${env:CORP_KEY}"),
                SecretFile("far", "${file:/etc/keys/far key}"),
            )
        ),
    ),
}
