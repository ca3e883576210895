"""What `config.json` must say before a graph is written from it."""

import json
from pathlib import Path

import pytest

from freehold.adapt.architectures import EncoderConfig, read_config
from freehold.errors import FreeholdError

BERT = {
    "architectures": ["BertModel"],
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}


def config(folder: Path, **changes: object) -> EncoderConfig:
    (folder / "config.json").write_text(json.dumps({**BERT, **changes}))
    return read_config(folder / "config.json")


def refusal(folder: Path, **changes: object) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        config(folder, **changes)
    return caught.value


def test_berts_positions_are_its_table(tmp_path: Path) -> None:
    """BERT numbers tokens from 0."""
    assert config(tmp_path).positions == 128
    assert config(tmp_path).head_size == 8


@pytest.mark.parametrize(("padding", "positions"), [(1, 8192), (None, 8192), (0, 8193)])
def test_robertas_positions_begin_after_its_padding(padding: int | None, positions: int, tmp_path: Path) -> None:
    """bge-m3's table of 8,194 rows holds 8,192 tokens; transformers' default padding id is 1."""
    found = config(tmp_path, architectures=["XLMRobertaModel"], max_position_embeddings=8194, pad_token_id=padding)
    assert found.positions == positions


def test_labels_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """JSON keys are strings, and "10" sorts before "9"."""
    names = {str(index): f"class {index}" for index in (10, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8)}
    found = config(tmp_path, architectures=["BertForSequenceClassification"], id2label=names)
    assert found.labels == tuple(f"class {index}" for index in range(11))


def test_labels_without_names_are_numbered(tmp_path: Path) -> None:
    """As transformers does, two when nothing is said."""
    assert config(tmp_path).labels == ("LABEL_0", "LABEL_1")
    assert config(tmp_path, num_labels=1).labels == ("LABEL_0",)


@pytest.mark.parametrize("named", [["LlamaForCausalLM"], [], None, ["BertForMaskedLM"]])
def test_an_unknown_architecture_is_told_what_is_known(named: list[str] | None, tmp_path: Path) -> None:
    """The list of what is known stands in the error."""
    error = refusal(tmp_path, architectures=named, model_type="llama")
    assert error.code == "architecture_unknown"
    assert "XLMRobertaForSequenceClassification" in error.cause
    assert (named[0] if named else "llama") in error.cause


@pytest.mark.parametrize("method", ["awq", "gptq"])
def test_a_quantized_folder_is_told_the_way_out(method: str, tmp_path: Path) -> None:
    """Before anything else, also for an architecture that is not known here."""
    error = refusal(tmp_path, architectures=["Qwen2ForCausalLM"], quantization_config={"quant_method": method})
    assert error.code == "weights_quantized"
    assert method in error.cause
    assert "engine: vllm" in error.fix


@pytest.mark.parametrize(
    ("option", "value"),
    [("hidden_act", "silu"), ("position_embedding_type", "relative_key"), ("is_decoder", True)],
)
def test_an_option_that_changes_the_function_is_refused(option: str, value: object, tmp_path: Path) -> None:
    """Ignored, it would give wrong answers."""
    error = refusal(tmp_path, **{option: value})
    assert error.code == "encoder_option_unsupported"
    assert option in error.cause
    assert str(value) in error.cause


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_attention_heads": 5}, "no multiple"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"hidden_size": -32}, "hidden_size is -32"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"architectures": ["RobertaModel"], "max_position_embeddings": 2}, "leaves no position"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], reason: str, tmp_path: Path) -> None:
    """Each says which number and why."""
    error = refusal(tmp_path, **changes)
    assert error.code == "model_folder_invalid"
    assert reason in error.cause
