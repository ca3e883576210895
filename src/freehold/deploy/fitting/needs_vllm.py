"""What a model needs of each GPU when vLLM runs it: an estimate, with its assumptions stated.

vLLM takes a share of each card (`--gpu-memory-utilization`, 0.9 unless told), loads the weights, runs a batch of the
longest allowed tokens to see what activations take, and gives what is left to keys and values; it refuses to start when
that is less than one sequence of the maximum length (https://docs.vllm.ai/en/latest/configuration/conserving_memory/).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.needs import CUDA_CONTEXT_BYTES, MIB, Load, Need, mebibytes
from freehold.deploy.fitting.shape import Transformer
from freehold.errors import FreeholdError

SHARE = 0.9
"""Of each card, where neither `gpu_memory` nor `args` say (vLLM's default)."""
BATCHED_TOKENS = 8192
"""Tokens of the batch that vLLM measures activations with: its default for servers on large cards; 2,048 on others."""
SEQUENCES = 256
"""Sequences whose logits it holds at a time: at most its default of `--max-num-seqs`."""
HALF = 2
"""Bytes of a value: what vLLM makes of float32 (`--dtype auto`), and of keys and values (`--kv-cache-dtype auto`)."""
GRAPHS_BYTES = 1024 * MIB
"""Captured CUDA graphs and buffers of NCCL. An assumption: vLLM's logs show 0.3 to 1.5 GiB from 7B to 70B."""


@dataclass(frozen=True)
class Options:
    """What decides about memory, by the configuration and by `args`, which win."""

    share: float
    cards: int
    context: int | None
    kv_value_bytes: int
    batched_tokens: int


def options_of(model: ModelConfig) -> Options:
    """The options that `vllm serve` will get. A word in `args` that is no number is left for vLLM to refuse."""
    request, args = model.gpu_request, model.args
    return Options(
        share=_number(args, "--gpu-memory-utilization") or model.gpu_memory or SHARE,
        cards=int(_number(args, "--tensor-parallel-size", "-tp") or (request.count if request else 1)),
        context=int(_number(args, "--max-model-len") or 0) or model.context_length,
        kv_value_bytes=1 if (_option(args, "--kv-cache-dtype") or "").startswith("fp8") else HALF,
        batched_tokens=int(_number(args, "--max-num-batched-tokens") or BATCHED_TOKENS),
    )


def load_of_vllm(model: ModelConfig, files: ModelFiles) -> Load:
    """The context that is served, and as many sequences as `limits.concurrency` says; one, where it does not."""
    longest = files.max_tokens or BATCHED_TOKENS
    return Load(options_of(model).context or longest, model.limits.concurrency or 1)


def need_of_card(model: ModelConfig, files: ModelFiles, load: Load) -> Need:
    """Bytes of each of the cards.

    Weights and heads are split among the cards; keys and values too, down to one head a card; a latent vector
    (multi-head latent attention) lies on each of them whole. Raises FreeholdError `fit_unreadable`.
    """
    shape, options = files.shape, options_of(model)
    if shape is None or not shape.layers:
        raise FreeholdError("fit_unreadable", path=model.source, reason="config.json names no layers")
    weights = weight_bytes(files) // options.cards
    parts = 1 if shape.latent else min(options.cards, max(1, shape.kv_heads))
    kv = load.concurrency * shape.kv_bytes(load.context, options.kv_value_bytes) // parts
    activations = _activations(shape, options)
    workspace = activations + GRAPHS_BYTES + CUDA_CONTEXT_BYTES
    return Need(
        weights,
        kv,
        workspace,
        (
            f"weights = {mebibytes(weight_bytes(files))} / {options.cards} cards",
            f"KV = {load.concurrency} x {load.context} tokens x {shape.kv_layers} layers x {shape.kv_values} values x"
            f" {options.kv_value_bytes} bytes / {parts}"
            + (f"; {shape.sliding} layers keep {shape.window} tokens" if shape.sliding else ""),
            f"workspace = {mebibytes(activations)} activations of {options.batched_tokens} tokens"
            f" + {mebibytes(GRAPHS_BYTES)} graphs + {mebibytes(CUDA_CONTEXT_BYTES)} CUDA (assumed)",
        ),
    )


def weight_bytes(files: ModelFiles) -> int:
    """Bytes on the cards: as they lie on disk, float32 in halves."""
    wide = files.values.get("F32", 0)
    if files.values and wide == files.parameters:
        return files.bytes - wide * HALF
    return files.bytes


def _activations(shape: Transformer, options: Options) -> int:
    """Of one layer: the state and its copies (eight rows of the hidden width a token), gate, up and their product split
    among the cards; and the logits of every sequence in float32."""
    row = 8 * shape.hidden + 3 * shape.inner // options.cards
    return options.batched_tokens * row * HALF + SEQUENCES * shape.vocab_size * 4 // options.cards


def _option(args: Sequence[str], *names: str) -> str | None:
    """The last value of an option, written `--name value` or `--name=value`."""
    found = None
    for place, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name in names:
            found = value if equals else args[place + 1] if place + 1 < len(args) else None
    return found


def _number(args: Sequence[str], *names: str) -> float | None:
    try:
        return float(_option(args, *names) or "")
    except ValueError:
        return None
