"""Services that run another server than ours: vLLM, or any that an image and a command line start."""

from freehold.config import ModelConfig
from freehold.deploy.gateway_file import EVERYWHERE
from freehold.deploy.secret_files import INTERNAL, path
from freehold.gateway.upstreams import vllm

IMAGE = "vllm/vllm-openai:v0.11.0"
READY = "/health"
SETTLING_S = 300
"""Beyond the reading of weights: compiled graphs and captured ones, on the first start with an empty cache."""

ENTRYPOINT = ("/bin/sh", "-c", f'VLLM_API_KEY=$(cat {path(INTERNAL)}) && export VLLM_API_KEY && exec "$@"', "sh")
"""The key is read where it is used: it stands in no argument, which others could see, and in no rendered text."""

ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HOME": "/tmp",  # noqa: S108 - of its own container
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


def vllm_words(model: ModelConfig, port: int) -> tuple[str, ...]:
    """The command line of a service that vLLM runs."""
    return filled(model, port) or vllm.command(model, _source(model), EVERYWHERE, str(port))


def filled(model: ModelConfig, port: int) -> tuple[str, ...]:
    """The user's own command line, with {port}, {model} and {id} filled in."""
    fillings = {"{port}": str(port), "{model}": _source(model), "{id}": model.id}
    words = model.command
    for placeholder, filling in fillings.items():
        words = tuple(word.replace(placeholder, filling) for word in words)
    return words


def shm_mb(model: ModelConfig) -> int:
    """Shared memory for the processes of tensor parallelism."""
    request = model.gpu_request
    return 2048 * (request.count if request is not None else 1)


def _source(model: ModelConfig) -> str:
    source = model.parsed_source
    return source.name if source.kind == "path" else str(source)
