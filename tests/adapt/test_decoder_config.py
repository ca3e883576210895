"""What a decoder's `config.json` says, in the forms that publishers and transformers of several years write."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from freehold.adapt.decoder_config import FORMS, DecoderConfig, read_decoder_config, writer_of
from freehold.errors import FreeholdError

LEAST: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
}


def read(folder: Path, architecture: str = "LlamaForCausalLM", **fields: Any) -> DecoderConfig:
    path = folder / "config.json"
    path.write_text(json.dumps({"architectures": [architecture], **LEAST, **fields}))
    return read_decoder_config(path)


def refused(folder: Path, code: str, architecture: str = "LlamaForCausalLM", **fields: Any) -> str:
    with pytest.raises(FreeholdError) as caught:
        read(folder, architecture, **fields)
    assert caught.value.code == code
    return caught.value.cause


@pytest.mark.parametrize("architecture", FORMS)
def test_defaults_are_those_of_transformers(architecture: str, tmp_path: Path) -> None:
    """For everything that an old config may leave out."""
    sizes = {**LEAST, "num_attention_heads": 32, "hidden_size": 2048, "max_position_embeddings": 8192}
    del sizes["num_key_value_heads"]
    theirs = getattr(transformers, architecture).config_class(**sizes)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture], **sizes}))
    ours = read_decoder_config(tmp_path / "config.json")
    assert ours.kv_heads == (theirs.num_key_value_heads or 32)
    assert ours.head_size == (getattr(theirs, "head_dim", None) or 64)
    assert ours.rms_norm_eps == theirs.rms_norm_eps
    assert ours.rope.rope_theta == theirs.rope_parameters["rope_theta"]
    assert ours.tie_word_embeddings == theirs.tie_word_embeddings
    slides = getattr(theirs, "sliding_window", None) if architecture != "LlamaForCausalLM" else None
    assert ours.windows() == (slides or 0,) * 4


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}},
        {"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "type": "linear", "factor": 4.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5}},
        {"rope_theta": 1e4, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5}},
    ],
)
def test_scaling_is_read_in_every_form(fields: dict[str, Any], tmp_path: Path) -> None:
    """`type` and `rope_type`, `rope_scaling` beside `rope_theta` and `rope_parameters` around both."""
    rope = read(tmp_path, **fields).rope
    assert (rope.form, rope.factor, rope.rope_theta) == ("linear", 4.0, 5e5)


def test_no_scaling_in_every_form(tmp_path: Path) -> None:
    """Absent, null, or called default."""
    for fields in ({}, {"rope_scaling": None}, {"rope_parameters": {"rope_type": "default"}}):
        rope = read(tmp_path, rope_theta=5e5, **fields).rope
        assert (rope.form, rope.rope_theta, rope.original_max_position_embeddings) == ("default", 5e5, 512)


@pytest.mark.parametrize(
    ("architecture", "fields", "windows"),
    [
        ("LlamaForCausalLM", {"sliding_window": 8}, (0, 0, 0, 0)),
        ("MistralForCausalLM", {"sliding_window": 8}, (8, 8, 8, 8)),
        ("MistralForCausalLM", {"sliding_window": None}, (0, 0, 0, 0)),
        ("MistralForCausalLM", {}, (0, 0, 0, 0)),  # 4096 by default, more than there are positions
        ("Qwen2ForCausalLM", {"sliding_window": 8}, (0, 0, 0, 0)),
        ("Qwen2ForCausalLM", {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 3}, (0, 0, 0, 8)),
        ("Qwen3ForCausalLM", {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0}, (8, 8, 8, 8)),
        (
            "Qwen3ForCausalLM",
            {
                "sliding_window": 8,
                "use_sliding_window": True,
                "layer_types": ["sliding_attention", "full_attention"] * 2,
            },
            (8, 0, 8, 0),
        ),
        ("Qwen2ForCausalLM", {"sliding_window": 8, "layer_types": ["sliding_attention"] * 4}, (0, 0, 0, 0)),
    ],
)
def test_windows(architecture: str, fields: dict[str, Any], windows: tuple[int, ...], tmp_path: Path) -> None:
    """Which layers slide, by the rule of each architecture."""
    assert read(tmp_path, architecture, **fields).windows() == windows


def test_biases(tmp_path: Path) -> None:
    """Query, key and value; output; feed-forward: fixed in one architecture, stated in another."""
    both = {"attention_bias": True, "mlp_bias": True}
    assert read(tmp_path).biases == (False, False, False)
    assert read(tmp_path, **both).biases == (True, True, True)
    assert read(tmp_path, "MistralForCausalLM", **both).biases == (False, False, False)
    assert read(tmp_path, "Qwen2ForCausalLM").biases == (True, False, False)
    assert read(tmp_path, "Qwen3ForCausalLM", **both).biases == (True, True, False)


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ("hidden_act", {"hidden_act": "gelu"}),
        ("rope_type", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
        ("partial_rotary_factor", {"partial_rotary_factor": 0.5}),
        ("partial_rotary_factor", {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}),
        ("layer_types", {"layer_types": ["linear_attention"] * 4}),
    ],
)
def test_an_option_that_no_graph_is_written_for_is_named(option: str, fields: dict[str, Any], tmp_path: Path) -> None:
    """With what it is set to, and with the engine that knows it."""
    cause = refused(tmp_path, "decoder_option_unsupported", "Qwen2ForCausalLM", **fields)
    assert option in cause


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("num_key_value_heads 3", {"num_key_value_heads": 3}),
        ("hidden_size 62", {"hidden_size": 62}),
        ("head_dim 12", {"head_dim": 12}),
        ("layer_types names 1 layers", {"layer_types": ["full_attention"]}),
        ("vocab_size", {"vocab_size": 0}),
        ("rope_theta", {"rope_theta": -1}),
        ("num_hidden_layers", {"num_hidden_layers": "four"}),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(reason: str, fields: dict[str, Any], tmp_path: Path) -> None:
    """With the numbers that do not go together."""
    assert reason in refused(tmp_path, "model_folder_invalid", **fields)


@pytest.mark.parametrize(
    ("architecture", "writer"),
    [
        ("Qwen3Model", "Qwen3ForCausalLM"),
        ("LlamaForSequenceClassification", "LlamaForCausalLM"),
        ("MistralForCausalLM", "MistralForCausalLM"),
        ("", ""),
    ],
)
def test_a_body_is_known_whatever_head_sits_on_it(architecture: str, writer: str) -> None:
    """Embedding models and rerankers are made of the same layers."""
    assert writer_of(architecture) == writer
