"""Deployments by hand, as small as they show a thing."""

from dataclasses import replace
from typing import Any

import msgspec

from freehold.config import Config, Gpus, ModelConfig
from freehold.config.deploying import Deploy
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Mount, SecretFile, Unit

IMAGE = "freehold/freehold:1.0.0"
INTERNAL = SecretFile("internal")
CONFIGURATION = "/etc/freehold/freehold.yaml"


def state(name: str, data: str = "/srv/data") -> Mount:
    """Where a server of ours keeps what it need not make again."""
    return Mount(f"{data}/{name}", "/app/data", read_only=False)


def unit(name: str, revision: str, **more: Any) -> Unit:
    """A unit of ours that serves one model of its own name."""
    settled: dict[str, Any] = {
        "role": "models",
        "models": (ModelConfig(id=name, source=f"/models/{name}"),),
        "image": IMAGE,
        "command": ("serve", CONFIGURATION),
        "files": {CONFIGURATION: f"models:\n  - {{id: {name}, source: /models/{name}}}\n"},
        "secrets": (INTERNAL,),
        "mounts": (state(name), Mount(f"/srv/models/{name}", f"/models/{name}")),
        "revision": revision,
    }
    return Unit(name, **{**settled, **more})


def gateway(revision: str = "0a0b0c0d", **more: Any) -> Unit:
    """The one in front of them."""
    settled: dict[str, Any] = {
        "models": (),
        "command": ("gateway", CONFIGURATION),
        "files": {CONFIGURATION: "models: []\n"},
        "mounts": (state("gateway"),),
    }
    return replace(unit("gateway", revision, **{**settled, **more}), role="gateway")


def vllm(name: str, revision: str, **more: Any) -> Unit:
    """A unit with a pinned image of vLLM, on two cards."""
    settled: dict[str, Any] = {
        "role": "vllm",
        "image": "vllm/vllm-openai:v0.31.0",
        "entrypoint": ("/bin/sh", "-c", 'VLLM_API_KEY=$(cat /run/secrets/internal) exec "$@"', "sh"),
        "command": (
            "vllm",
            "serve",
            f"/models/{name}",
            "--served-model-name",
            name,
            "--host",
            "0.0.0.0",
            "--port",
            "8080",
        ),
        "environment": {"HOME": "/tmp", "HF_HUB_OFFLINE": "1"},
        "files": {},
        "mounts": (Mount(f"/srv/models/{name}", f"/models/{name}"),),
        "gpus": Gpus(2),
        "gpu_ids": ("0", "1"),
        "shm_mb": 4096,
        "ready": "/health",
        "startup_s": 900,
    }
    return unit(name, revision, **{**settled, **more})


def deployment(*units: Unit, front: Unit | None = None, **settings: Any) -> Deployment:
    """`units` behind a gateway; `settings` as below `deploy:`."""
    said = msgspec.convert({"data": "/srv/data", **settings}, Deploy)
    host = f"[{said.host}]" if ":" in said.host else said.host
    front = replace(front or gateway(), published=f"{host}:{said.port}")
    return Deployment(said.name, Config(deploy=said), said, units, front)


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
            mounts=(state("text"), Mount("/srv/models", "/models")),
        ),
        unit(
            "other",
            "00112233",
            role="other",
            image="tritonserver:25.01",
            secrets=(),
            files={},
            mounts=(),
            command=("go",),
        ),
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
            mounts=(state("minilm", "/srv/it's data"), Mount("/srv/our models: $new", "/models")),
        ),
        front=gateway(
            secrets=(
                INTERNAL,
                SecretFile("corp", "${env:CORP_KEY}"),
                SecretFile("far", "${file:/etc/keys/far key}"),
            ),
            https=True,
        ),
        data="/srv/it's data",
    ),
}
