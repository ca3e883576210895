"""Decoder folders in the exact shapes of well-known models, with seeded random weights, and the same weights as GGUF.

Random weights are right for speed and say nothing about quality. The tokenizer is a byte-level BPE of the real size,
made of pairs and triples of letters: nearly every id is text by itself, so that a stream has a frame a token.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from bench.places import WORK

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN25_05B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "use_sliding_window": False,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "torch_dtype": "bfloat16",
}
QWEN3_4B: dict[str, Any] = QWEN25_05B | {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 9728,
    "max_position_embeddings": 40960,
    "attention_bias": False,
}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Decoder:
    """One text model: its Hugging Face folder and its `config.json`."""

    name: str
    folder: Path
    config: dict[str, Any]


def qwen25_05b() -> Decoder:
    """Qwen2.5-0.5B's shape: 24 layers of 896, 2 of 14 heads keep keys and values, tied head of 151,936."""
    return _written(Decoder("qwen2.5-0.5b-shape", WORK / "models" / "qwen2.5-0.5b-shape", QWEN25_05B))


def qwen3_4b() -> Decoder:
    """Qwen3-4B's shape: 36 layers of 2560, 8 of 32 heads of 128 keep keys and values; 8 GB as bfloat16."""
    return _written(Decoder("qwen3-4b-shape", WORK / "models" / "qwen3-4b-shape", QWEN3_4B))


def tensors(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes as transformers keeps them, one after another so that none need be held."""
    hidden, heads, shared = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim", hidden // heads)
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        for name, rows in (("q", heads * size), ("k", shared * size), ("v", shared * size)):
            yield f"{at}.self_attn.{name}_proj.weight", (rows, hidden)
            if config["model_type"] == "qwen2":
                yield f"{at}.self_attn.{name}_proj.bias", (rows,)
        if config["model_type"] == "qwen3":
            yield f"{at}.self_attn.q_norm.weight", (size,)
            yield f"{at}.self_attn.k_norm.weight", (size,)
        yield f"{at}.self_attn.o_proj.weight", (hidden, heads * size)
        for name in ("gate", "up"):
            yield f"{at}.mlp.{name}_proj.weight", (config["intermediate_size"], hidden)
        yield f"{at}.mlp.down_proj.weight", (hidden, config["intermediate_size"])
        yield f"{at}.input_layernorm.weight", (hidden,)
        yield f"{at}.post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)


def weights(config: dict[str, Any]) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    """Seeded normal weights with a deviation of 0.02, norms of 1, biases of 0."""
    generator = np.random.default_rng(0)
    for name, shape in tensors(config):
        if name.endswith("norm.weight"):
            yield name, np.ones(shape, np.float32)
        elif name.endswith(".bias"):
            yield name, np.zeros(shape, np.float32)
        else:
            yield name, generator.standard_normal(shape, np.float32) * np.float32(0.02)


def _written(decoder: Decoder) -> Decoder:
    """Fill the folder aside, then rename it: a broken run leaves no half model."""
    if not decoder.folder.is_dir():
        aside = decoder.folder.with_suffix(".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write_weights(aside, decoder.config)
        _write_tokenizer(aside, decoder.config["vocab_size"])
        (aside / "config.json").write_text(json.dumps(decoder.config, indent=1))
        ends = {"eos_token_id": [151645, 151643], "do_sample": False}
        (aside / "generation_config.json").write_text(json.dumps(ends))
        aside.rename(decoder.folder)
    return decoder


def _write_weights(folder: Path, config: dict[str, Any]) -> None:
    """bfloat16 safetensors in shards of at most 2 GB, with their index."""
    import torch
    from safetensors.torch import save_file

    shard: dict[str, torch.Tensor] = {}
    where: dict[str, str] = {}
    held = count = 0

    def flush() -> None:
        nonlocal held, count
        name = f"model-{count:05d}.safetensors"
        save_file(shard, folder / name)
        where.update(dict.fromkeys(shard, name))
        shard.clear()
        held, count = 0, count + 1

    for name, array in weights(config):
        if held + 2 * array.size > 2_000_000_000:
            flush()
        shard[name] = torch.from_numpy(array).to(torch.bfloat16)
        held += 2 * array.size
    flush()
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _write_tokenizer(folder: Path, size: int) -> None:
    """A BPE over bytes: 256 of them, then pairs and triples of ASCII, up to the specials that end the vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = [letter for letter in letters if letter.isascii()]
    base = 151643
    pairs = list(product(plain, plain))
    triples = islice(((first + second, third) for first, second in pairs for third in plain), base - 256 - len(pairs))
    merges = [*pairs, *triples]
    words = [*letters, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*SPECIALS, *(f"<|reserved_{n}|>" for n in range(size - base - len(SPECIALS)))])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 32768,
        "eos_token": SPECIALS[2],
        "pad_token": SPECIALS[0],
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
