"""Hugging Face folder -> GGUF with q4_0 matrices (blocks of 32) and the vocabulary of its tokenizer.json."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
}
PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def renamed(name: str) -> str:
    """GGUF's name of a tensor."""
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    part, _, kind = rest.rpartition(".")
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def bfloat16s(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of a safetensors file of bfloat16, as float32: its upper half is one."""
    data = np.memmap(file, np.uint8, "r")
    begin = 8 + int(data[:8].view(np.uint64)[0])
    header = json.loads(bytes(data[8:begin]))
    header.pop("__metadata__", None)
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        halves = data[begin + first : begin + last].view(np.uint16).reshape(entry["shape"])
        yield name, (halves.astype(np.uint32) << 16).view(np.float32)


def _add_vocabulary(writer: gguf.GGUFWriter, folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_text())
    words = {**document["model"]["vocab"], **{one["content"]: one["id"] for one in document["added_tokens"]}}
    special = {one["id"] for one in document["added_tokens"]}
    ordered = sorted(words, key=words.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(ordered)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if n in special else gguf.TokenType.NORMAL for n in range(len(ordered))]
    )
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in document["model"]["merges"]])
    writer.add_eos_token_id(words["<|im_end|>"])
    writer.add_pad_token_id(words["<|endoftext|>"])


def write(folder: Path, target: Path) -> None:
    """Write `target` aside and rename it."""
    config = json.loads((folder / "config.json").read_text())
    aside = target.with_suffix(".part")
    writer = gguf.GGUFWriter(aside, config["model_type"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    _add_vocabulary(writer, folder)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    for file in sorted(folder.glob("*.safetensors")):
        for name, array in bfloat16s(file):
            kind = gguf.GGMLQuantizationType.Q4_0 if array.ndim > 1 else gguf.GGMLQuantizationType.F32
            writer.add_tensor(renamed(name), gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    aside.rename(target)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
