"""Decoder graphs answer as transformers does: every architecture, every option, every precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.graphs import build

Make = Callable[..., Any]
PROMPTS_OF = (3, 17, 40, 1)

LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 500000.0,
}
SLIDES = {"use_sliding_window": True, "sliding_window": 8}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {}),
    "llama-tied": ("LlamaForCausalLM", {"tie_word_embeddings": True}),
    "llama-biases": ("LlamaForCausalLM", {"attention_bias": True, "mlp_bias": True}),
    "llama-linear": ("LlamaForCausalLM", {"rope_parameters": LINEAR}),
    "llama-llama3": ("LlamaForCausalLM", {"rope_parameters": LLAMA3}),
    "llama-wide-heads": ("LlamaForCausalLM", {"head_dim": 32, "num_key_value_heads": 1}),
    "llama-epsilon": ("LlamaForCausalLM", {"rms_norm_eps": 0.1}),
    "mistral": ("MistralForCausalLM", {}),
    "mistral-window": ("MistralForCausalLM", {"sliding_window": 8}),
    "mistral-no-window": ("MistralForCausalLM", {"sliding_window": None, "num_key_value_heads": 4}),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "qwen2-tied": ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen2-window": ("Qwen2ForCausalLM", {**SLIDES, "max_window_layers": 1}),
    "qwen2-layer-types": ("Qwen2ForCausalLM", {**SLIDES, "layer_types": ["sliding_attention", "full_attention"]}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 32}),
    "qwen3-tied-biases": ("Qwen3ForCausalLM", {"tie_word_embeddings": True, "attention_bias": True}),
    "qwen3-window": ("Qwen3ForCausalLM", {**SLIDES, "max_window_layers": 0}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_greedy_tokens_are_those_of_transformers(
    variant: str, tiny_decoder: Make, tmp_path: Path, slot_run: Make, generated: Make, ids: Make
) -> None:
    """Ragged prompts, filled in chunks, decoded side by side, at fp32."""
    architecture, options = VARIANTS[variant]
    folder = tiny_decoder(architecture, **options)
    prompts = ids(PROMPTS_OF, 256)
    run = slot_run(build(folder, tmp_path), slots=len(prompts))
    assert run.greedy(prompts, 24, chunk=16) == generated(folder, prompts, 24)
