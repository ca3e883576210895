"""Decoder graphs answer as transformers does: every architecture, every option, every precision."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from freehold.adapt.decoder_folder import open_decoder
from freehold.adapt.decoder_graph import write_decoder
from freehold.adapt.graphs import build
from freehold.errors import FreeholdError

pytestmark = pytest.mark.usefixtures("one_torch_thread")

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


def logits_of(run: Any, prompts: list[list[int]]) -> np.ndarray[Any, Any]:
    """After each prompt, filled in chunks, and after one more token, decoded side by side."""
    filled = [run.fill(slot, prompt, 16) for slot, prompt in enumerate(prompts)]
    ids = np.arange(5, 5 + len(prompts))[:, None]
    decoded = run.step(ids, slice(0, len(prompts)), range(len(prompts)), run.decode)
    return np.concatenate([filled, decoded])


@pytest.mark.parametrize("variant", ["llama-llama3", "mistral-window", "qwen3-window"])
def test_logits_are_those_of_transformers(
    variant: str, tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make
) -> None:
    """At every position of a prompt several windows long, not only the best of them."""
    import torch
    import transformers

    architecture, options = VARIANTS[variant]
    folder = tiny_decoder(architecture, **options)
    (prompt,) = ids([60], 256)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        expected = model(torch.tensor([prompt])).logits[0].numpy()
    run = slot_run(build(folder, tmp_path))
    seen = run.step(np.array([prompt]), slice(0, 1), range(60), run.prefill)
    np.testing.assert_allclose(seen, expected, atol=2e-3)


def test_logits_come_for_the_positions_asked_for(tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make) -> None:
    """In their order, one more than once, across rows."""
    run = slot_run(build(tiny_decoder(), tmp_path), slots=2)
    (prompt,) = ids([20], 256)
    every = run.step(np.array([prompt]), slice(0, 1), range(20), run.prefill)
    run.lengths[0] = 0
    some = run.step(np.array([prompt]), slice(0, 1), [19, 3, 3], run.prefill)
    np.testing.assert_allclose(some, every[[19, 3, 3]], atol=1e-4)
    run.fill(1, prompt)
    both = run.step(np.array([[5], [5]]), slice(0, 2), [1, 0], run.decode)
    np.testing.assert_allclose(both[0], both[1], atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_sixteen_bits(
    dtype: str, tiny_decoder: Make, tmp_path: Path, slot_run: Make, generated: Make, ids: Make
) -> None:
    """Widened to float32, which is also how transformers is asked to compute."""
    folder = tiny_decoder("LlamaForCausalLM", dtype=dtype)
    prompts = ids((9, 30), 256)
    assert slot_run(build(folder, tmp_path), slots=2).greedy(prompts, 16) == generated(folder, prompts, 16)


def test_a_checkpoint_in_shards_gives_the_same_weights(tiny_decoder: Make, tmp_path: Path) -> None:
    """To the byte, in every form."""
    whole, sharded = tiny_decoder("Qwen3ForCausalLM"), tiny_decoder("Qwen3ForCausalLM", shard_size="60KB")
    assert len(list(sharded.glob("*.safetensors"))) > 2
    for precision in ("fp32", "fast"):
        files = [build(folder, tmp_path, precision=precision) / "model.onnx.data" for folder in (whole, sharded)]
        assert files[0].parent != files[1].parent
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_checkpoint_of_the_inner_model_alone(
    tiny_decoder: Make, tmp_path: Path, slot_run: Make, generated: Make, ids: Make
) -> None:
    """Without the prefix of the whole; the head, where there is one, has none either way."""
    folder = tiny_decoder("Qwen3ForCausalLM", tie_word_embeddings=True)
    prompts = ids((9, 30), 256)
    expected = generated(folder, prompts, 8)
    tensors = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("model."): values for name, values in tensors.items()}
    save_file(bare, folder / "model.safetensors", {"format": "pt"})
    assert slot_run(build(folder, tmp_path), slots=2).greedy(prompts, 8) == expected


CALM: dict[str, Any] = {"hidden_size": 256, "head_dim": 64, "intermediate_size": 384, "initializer_range": 0.05}
PRECISIONS: dict[str, tuple[dict[str, Any], float, float]] = {  # least mean cosine with fp32: after prompts, decoding
    "int8": ({"precision": "int8"}, 0.998, 0.998),
    "int4": ({"precision": "int4"}, 0.93, 0.93),
    "int4-wide": ({"precision": "int4", "block": 128}, 0.91, 0.91),
    "w8a8": ({"precision": "w8a8"}, 0.99, 0.99),
    "fast": ({"precision": "fast"}, 0.99, 0.93),
}


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"])
def test_quantized_logits_are_near_the_exact_ones(
    architecture: str, tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make
) -> None:
    """Head tied and untied, after prompts in chunks and of rows side by side; measured on random weights."""
    folder = tiny_decoder(architecture, **CALM, tie_word_embeddings=architecture == "Qwen2ForCausalLM")
    prompts = ids(PROMPTS_OF, 256)
    exact = logits_of(slot_run(build(folder, tmp_path), slots=4), prompts)
    for name, (options, *least) in PRECISIONS.items():
        seen = logits_of(slot_run(build(folder, tmp_path, **options), slots=4), prompts)
        cosines = (seen * exact).sum(axis=1) / np.linalg.norm(seen, axis=1) / np.linalg.norm(exact, axis=1)
        assert cosines[:4].mean() > least[0], name
        assert cosines[4:].mean() > least[1], name


def test_biases_are_not_lost_in_any_precision(tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make) -> None:
    """Of query, key and value, of the output, of the feed-forward."""
    folder = tiny_decoder("LlamaForCausalLM", **CALM, attention_bias=True, mlp_bias=True)
    prompts = ids((9, 30), 256)
    exact = logits_of(slot_run(build(folder, tmp_path), slots=2), prompts)
    for name, (options, *least) in PRECISIONS.items():
        seen = logits_of(slot_run(build(folder, tmp_path, **options), slots=2), prompts)
        cosines = (seen * exact).sum(axis=1) / np.linalg.norm(seen, axis=1) / np.linalg.norm(exact, axis=1)
        assert cosines.mean() > min(least), name


def test_layers_quantized_by_row_do_not_see_their_neighbours(
    tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make
) -> None:
    """To the bit: what a row's step leaves in its slot is the same alone and among others."""
    artifact = build(tiny_decoder("Qwen3ForCausalLM", **CALM), tmp_path, precision="w8a8")
    prompts = ids((7, 12, 3, 30), 256)
    together, alone = slot_run(artifact, slots=4), slot_run(artifact, slots=4)
    logits_of(together, prompts)
    for slot, prompt in enumerate(prompts):
        alone.fill(slot, prompt, 16)
        alone.step(np.array([[5 + slot]]), slice(slot, slot + 1), [0], alone.decode)
    for name, buffer in together.buffers.items():
        np.testing.assert_array_equal(buffer, alone.buffers[name])


def test_one_buffer_and_one_data_file_serve_both_graphs(tiny_decoder: Make, tmp_path: Path) -> None:
    """`fast` has one copy of what its graphs share: norms, rotary tables, embedding, head."""
    folder = open_decoder(tiny_decoder())
    graphs = write_decoder(folder, "fast")
    assert set(graphs) == {"model.onnx", "prefill.onnx"}
    decode, prefill = graphs["model.onnx"], graphs["prefill.onnx"]
    assert decode.data is prefill.data
    assert [each.name for each in decode.inputs] == [each.name for each in prefill.inputs]
    assert [each.name for each in decode.outputs] == [each.name for each in prefill.outputs]
    shared = decode.weights.keys() & prefill.weights.keys()
    assert {"norm.weight", "rotary.cos", "lm_head.weight.q4b128", "embed_tokens.weight.q8b32 as 320x64"} <= shared
    assert "layers.0.mlp.gate_proj+up_proj.q8c" in prefill.weights.keys() - shared
    assert "layers.0.mlp.gate_proj+up_proj.q4b128" in decode.weights.keys() - shared


@pytest.mark.parametrize(
    ("precision", "tied", "copies"),
    [
        ("fp32", True, {"embed_tokens.weight"}),
        ("int4", True, {"embed_tokens.weight.q4b32"}),
        ("int4", False, {"embed_tokens.weight.q8b32", "lm_head.weight.q4b32"}),
        ("int8", True, {"embed_tokens.weight.q8b32"}),
        ("w8a8", True, {"embed_tokens.weight.q8b32", "embed_tokens.weight.q4b128"}),
    ],
)
def test_a_tied_head_is_one_copy(precision: str, tied: bool, copies: set[str], tiny_decoder: Make) -> None:
    """Where both have the same form; an embedding of its own has eight bits."""
    graphs = write_decoder(open_decoder(tiny_decoder(tie_word_embeddings=tied)), precision)
    placed = graphs["model.onnx"].data.weights
    heads = {name for name in placed if name.startswith(("embed_tokens", "lm_head"))}
    assert {name for name in heads if not name.endswith(".scales")} == copies


def test_an_embedding_whose_width_no_block_divides_stays_exact(
    tiny_decoder: Make, tmp_path: Path, slot_run: Make, ids: Make
) -> None:
    """Lookups know no half-filled block; products fill theirs up with zeros."""
    options = {"hidden_size": 72, "num_attention_heads": 4, "head_dim": 16, "intermediate_size": 100}
    folder = tiny_decoder("LlamaForCausalLM", **options, initializer_range=0.05)
    prompts = ids((9, 30), 256)
    exact = logits_of(slot_run(build(folder, tmp_path), slots=2), prompts)
    seen = logits_of(slot_run(build(folder, tmp_path, precision="int8"), slots=2), prompts)
    assert "embed_tokens.weight" in write_decoder(open_decoder(folder), "int8")["model.onnx"].weights
    assert np.corrcoef(seen.ravel(), exact.ravel())[0, 1] > 0.99


def test_a_tensor_that_is_missing_or_of_another_shape_is_named(tiny_decoder: Make) -> None:
    """Before anything is written: a head that is not there, and a config of another size."""
    folder = tiny_decoder(tie_word_embeddings=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    with pytest.raises(FreeholdError, match=r"lm_head\.weight"):
        write_decoder(open_decoder(folder), "fp32")
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}))
    with pytest.raises(FreeholdError, match=r"gate_proj.*\[96, 64\].*\[128, 64\]"):
        write_decoder(open_decoder(folder), "fp32")
