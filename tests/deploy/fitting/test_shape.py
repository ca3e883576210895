"""The shape of a transformer, by the `config.json` of each family."""

from typing import Any

import pytest

from freehold.deploy.fitting.shape import Transformer, read_shape

QWEN3_32B = {
    "model_type": "qwen3",
    "num_hidden_layers": 64,
    "hidden_size": 5120,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 25600,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "sliding_window": None,
    "use_sliding_window": False,
}


def test_grouped_heads_keep_few_keys_and_values() -> None:
    """Qwen3-32B in bfloat16: 64 x 2 x 8 x 128 x 2 bytes a token, a quarter of a megabyte."""
    shape = read_shape(QWEN3_32B)
    assert (shape.kv_values, shape.kv_bytes(1, 2)) == (2048, 262_144)


def test_sliding_layers_keep_their_window_alone() -> None:
    """Of six layers five slide; a hybrid's linear layers keep no keys at all."""
    config = QWEN3_32B | {"num_hidden_layers": 6, "sliding_window": 512, "use_sliding_window": True}
    kinds = ["sliding_attention"] * 5 + ["full_attention"]
    shape = read_shape(config | {"layer_types": kinds})
    assert (shape.sliding, shape.window) == (5, 512)
    assert shape.kv_bytes(4096, 2) == (4096 + 5 * 512) * 2048 * 2
    hybrid = read_shape(config | {"layer_types": ["linear_attention"] * 5 + ["full_attention"], "sliding_window": None})
    assert hybrid.kv_layers == 1


def test_mistral_slides_everywhere() -> None:
    """Without `use_sliding_window` the window is of every layer."""
    config = {name: value for name, value in QWEN3_32B.items() if name != "use_sliding_window"}
    assert read_shape(config | {"sliding_window": 4096}).sliding == 64


def test_latent_attention_keeps_one_vector() -> None:
    """DeepSeek-V3: 512 + 64 elements a layer in place of 128 heads."""
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "num_attention_heads": 128, "num_key_value_heads": 128}
    assert read_shape(QWEN3_32B | latent).kv_values == 576


def test_a_model_that_sees_has_its_text_model_inside() -> None:
    """`text_config` goes before what is beside it."""
    assert read_shape({"text_config": QWEN3_32B, "hidden_size": 1}).hidden == 5120


def test_roberta_counts_positions_from_behind_its_padding() -> None:
    """8,194 rows of the table are 8,192 positions."""
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 8194, "pad_token_id": 1}
    assert read_shape(QWEN3_32B | config).positions == 8192


@pytest.mark.parametrize("value", ["64", -1, 1.5, [64]])
def test_a_size_that_is_none_is_refused(value: Any) -> None:
    """A string, a negative number, a fraction, a list."""
    with pytest.raises(ValueError, match="num_hidden_layers"):
        read_shape(QWEN3_32B | {"num_hidden_layers": value})


def test_what_says_nothing_has_no_shape() -> None:
    """An empty document."""
    assert read_shape({}) == Transformer()
