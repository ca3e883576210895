"""Deployments of every kind on a cluster, from configurations as a file would give them."""

import zlib
from dataclasses import replace
from typing import Any

import msgspec

from freehold.config import Config
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import FILE, Facts

IMAGE = "freehold/freehold:1.0.0"
REGISTRY = "harbor.corp.test/mirror"
STORAGE = {"claim": "models", "path": "/models"}
BGE = {"id": "bge-m3", "source": "/models/bge-m3"}
QWEN = {
    "id": "Qwen3-32B",
    "source": "/models/Qwen3-32B",
    "engine": "vllm",
    "gpus": 2,
    "device": "cuda",
    "context_length": 32768,
}
FACTS = {
    "bge-m3": Facts(bytes=2_200_000_000, digest=f"sha256:{'a' * 64}", memory_mb=3000),
    "Qwen3-32B": Facts(bytes=65_000_000_000, architecture="Qwen3ForCausalLM"),
    "rerank": Facts(bytes=1_100_000_000, digest=f"sha256:{'b' * 64}", oci_digest=f"sha256:{'c' * 64}", memory_mb=2000),
}


def deployment(*models: dict[str, Any], **settings: Any) -> Deployment:
    """Of `models`, with `settings` below `deploy`."""
    return configured({"models": list(models)}, **settings)


def configured(document: dict[str, Any], **settings: Any) -> Deployment:
    """Of a configuration. Revisions are of names alone, so that agreed texts change only where objects do."""
    settings = {"target": "kubernetes", "image": IMAGE, "storage": STORAGE, **settings}
    made = Deployment.of(msgspec.convert(document | {"deploy": settings}, Config), FACTS)
    units = tuple(replace(unit, revision=f"{zlib.crc32(unit.name.encode()):08x}") for unit in made.units)
    text = made.gateway.files[FILE]
    for old, new in zip(made.units, units, strict=True):
        text = text.replace(old.host, new.host)
    gateway = replace(made.gateway, revision="0a0b0c0d", files={FILE: text})
    return replace(made, units=units, gateway=gateway)


def many(count: int, **settings: Any) -> Deployment:
    """As many models as are asked for, each a unit of its own that follows its queue."""
    scale = {"least": 1, "most": 4}
    models = [{"id": f"model-{number}", "source": f"/models/{number}", "scale": scale} for number in range(count)]
    return deployment(*models, **settings)


CASES: dict[str, Deployment] = {
    "cpu": deployment(BGE),
    "gpu": deployment(
        BGE | {"device": "cuda", "gpus": 1, "resources": {"cpu": 4, "memory_mb": 8192}},
        {
            "id": "ascend",
            "source": "/models/ascend",
            "gpus": {"resource": "huawei.com/Ascend910", "count": 2},
            "command": ["mindie", "--port", "{port}"],
            "image": "ascend/mindie:2.0",
        },
        storage=STORAGE | {"size_gb": 200, "storage_class": "cephfs"},
        registry=REGISTRY,
    ),
    "vllm": configured(
        {
            "models": [
                QWEN | {"gpu_memory": 0.3, "args": ["--enable-prefix-caching"]},
                {"id": "fallback", "source": "https://llm.corp.test/v1", "key": "${env:CORP_KEY}"},
                {"id": "near", "source": "http://llm.serving.svc:8000/v1", "replicas": ["http://10.0.0.7:8000/v1"]},
            ],
            "routes": [{"model": "chat", "to": [{"id": "Qwen3-32B"}], "fallback": "fallback"}],
        },
        registry=REGISTRY,
        pull_secrets=["harbor"],
        ingress={"host": "models.corp.test", "ingress_class": "traefik", "secret": "corp-tls"},
    ),
    "spot": deployment(
        BGE | {"scale": {"least": 2, "most": 6}},
        QWEN | {"scale": {"least": 3}},
        spot={"key": "cloud.example/spot", "on_demand": 1},
    ),
    "hpa": deployment(
        BGE | {"scale": {"least": 2, "most": 6, "queue": 8}},
        {"id": "small", "source": "/models/small", "scale": {"most": 3, "by": "cpu"}},
        {
            "id": "tgi",
            "source": "/models/tgi",
            "command": ["text-generation-launcher", "--port", "{port}", "--note", "$(HOSTNAME)"],
            "image": "ghcr.io/huggingface/text-generation-inference:3.0",
            "scale": {"most": 2},
        },
        kubernetes="1.29",
    ),
    "oldest": deployment(BGE | {"scale": {"most": 2}}, kubernetes="1.22"),
    "tls": configured(
        {
            "models": [BGE],
            "limits": {"body_mb": 16},
            "server": {"tls": {"certificate": "/pki/own.pem", "key": "/pki/own.key"}},
        },
        ingress={"host": "models.corp.test", "ingress_class": "nginx", "issuer": "letsencrypt"},
        monitoring={"operator": True, "namespace": "observability", "labels": {"release": "prometheus"}},
        control_plane=["10.0.0.0/28"],
    ),
    "pull": configured(
        {"models": [{"id": "rerank", "source": "rerank:1"}], "network": {"ca": "/etc/ssl/corp.pem"}},
        registry=REGISTRY,
        pull_secrets=["harbor"],
        pull_from="harbor.corp.test:8443/models",
        storage={},
    ),
    "tenant-a": deployment(BGE, name="a", namespace="team-a", clients=["dify-a"]),
    "tenant-b": deployment(BGE, name="b", namespace="team-b", clients=["dify-b"]),
}
