"""The command line of `vllm serve`, for a process that this server starts and for a service of a deployment."""

import json

from freehold.config import ModelConfig

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def command(model: ModelConfig, source: str, host: str, port: str) -> tuple[str, ...]:
    """How vLLM serves `model`, whose files are at `source`; `args` come last, since the last of two settings counts."""
    words = ["vllm", "serve", source, "--host", host, "--port", port, "--served-model-name", model.id]
    if model.context_length:
        words += ["--max-model-len", str(model.context_length)]
    if model.gpu_request is not None and model.gpu_request.count > 1:
        words += ["--tensor-parallel-size", str(model.gpu_request.count)]
    if model.gpu_memory is not None:
        words += ["--gpu-memory-utilization", f"{model.gpu_memory:g}"]
    defaults = {name: value for name in _SAMPLING if (value := getattr(model.defaults, name)) is not None}
    if model.max_output_tokens:
        defaults["max_new_tokens"] = model.max_output_tokens
    if defaults:
        words += ["--override-generation-config", json.dumps(defaults)]
    return (*words, *model.args)
