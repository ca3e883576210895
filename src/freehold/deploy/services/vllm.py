"""Services that run another server than ours: vLLM, or any that an image and a command line start."""

from freehold.config import ModelConfig
from freehold.deploy.services.gateway_file import EVERYWHERE
from freehold.deploy.services.secret_files import INTERNAL, path
from freehold.gateway.upstreams import vllm

IMAGE = "vllm/vllm-openai:v0.31.0"
TEMPLATES = "/vllm-workspace/examples"
"""Where that image has the chat templates that `families` names."""
READY = "/health"
"""vLLM, SGLang, llama.cpp, TGI and TEI have it, and none of them asks for a key there."""
SETTLING_S = 300
"""Beyond the reading of weights: kernels are compiled and graphs captured, with empty caches at the first start."""
SHM_MB = 2048
"""Shared memory for each card: the processes of tensor parallelism exchange tensors there (docs: Using Docker)."""

ENTRYPOINT = ("/bin/sh", "-c", f'VLLM_API_KEY=$(cat {path(INTERNAL)}) && export VLLM_API_KEY && exec "$@"', "sh")
"""The key is read where it is used: it stands in no argument, which others could see, and in no rendered text."""

ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HOME": "/tmp",  # noqa: S108 - of its own container, whose user has no home and no name
    "TRANSFORMERS_OFFLINE": "1",
    "USER": "vllm",
    "VLLM_NO_USAGE_STATS": "1",
}


def words(model: ModelConfig, port: int, architecture: str) -> tuple[str, ...]:
    """The command line of a service: the user's own, else that of vLLM."""
    templates = "" if model.image else TEMPLATES
    own = vllm.filled(model, str(port))
    return own or vllm.command(model, EVERYWHERE, str(port), architecture, templates)


def shm_mb(model: ModelConfig) -> int:
    """Shared memory of a service that runs on so many cards."""
    request = model.gpu_request
    return SHM_MB * (request.count if request is not None else 1)
