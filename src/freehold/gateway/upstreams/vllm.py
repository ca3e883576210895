"""The command line of `vllm serve`, for a process that this server starts and for a service of a deployment."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from freehold.config import ModelConfig, id_from
from freehold.gateway.upstreams.families import Family, family_of

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_CHATS = ("auto", "generate")


def command(model: ModelConfig, host: str, port: str, architecture: str = "", templates: str = "") -> tuple[str, ...]:
    """How vLLM serves `model` at `host` and `port`. `architecture` is the first of its `config.json`, "" where it is
    not known; `templates` the folder of vLLM's examples, where they are there.

    The model's `args` come last: of two words that say the same, argparse takes the later.
    """
    words = ["vllm", "serve", place_of(model), "--host", host, "--port", port, "--served-model-name", model.id]
    if model.context_length:
        words += ["--max-model-len", str(model.context_length)]
    if model.gpu_request is not None and model.gpu_request.count > 1:
        words += ["--tensor-parallel-size", str(model.gpu_request.count)]
    if model.gpu_memory is not None:
        words += ["--gpu-memory-utilization", f"{model.gpu_memory:g}"]
    family = family_of(architecture, f"{id_from(model.parsed_source) or ''} {model.id}")
    if family is not None and model.kind in _CHATS:
        words += _parsers(family, templates)
    return (*words, *_defaults(model), *model.args)


def place_of(model: ModelConfig) -> str:
    """What another server is told of where the model's files are."""
    source = model.parsed_source
    return source.name if source.kind == "path" else str(source)


def filled(model: ModelConfig, port: str = "{port}") -> tuple[str, ...]:
    """The model's own command line, of any server, with {port}, {model} and {id} filled in; () where it has none."""
    fillings = {"{port}": port, "{model}": place_of(model), "{id}": model.id}
    words = model.command
    for placeholder, filling in fillings.items():
        words = tuple(word.replace(placeholder, filling) for word in words)
    return words


def architecture_of(folder: Path) -> str:
    """The architecture that a model folder's `config.json` names first; "" where none is to be read."""
    try:
        told = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Architectures)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return told.architectures[0] if told.architectures else ""


class _Architectures(msgspec.Struct):
    architectures: list[str] = []


def _parsers(family: Family, templates: str) -> Iterator[str]:
    if family.tools:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", family.tools)
    if family.reasoning:
        yield from ("--reasoning-parser", family.reasoning)
    if family.template and templates:
        yield from ("--chat-template", f"{templates}/{family.template}")
    yield from family.words


def _defaults(model: ModelConfig) -> Iterator[str]:
    """What a request gets that does not say otherwise."""
    sampling: dict[str, float] = {
        name: value for name in _SAMPLING if (value := getattr(model.defaults, name)) is not None
    }
    if model.max_output_tokens:
        sampling["max_new_tokens"] = model.max_output_tokens
    if sampling:
        yield from ("--override-generation-config", json.dumps(sampling))
    if model.chat_template_kwargs:
        yield from ("--default-chat-template-kwargs", json.dumps(dict(model.chat_template_kwargs)))
