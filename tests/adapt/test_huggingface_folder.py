"""What a Hugging Face folder says it is for, read without torch."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from freehold.adapt.conversion import Conversion
from freehold.adapt.huggingface_folder import RawFolder, open_raw, written_without_torch
from freehold.errors import FreeholdError

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Write:
    """`folder("DistilBertModel", **config)`: config and weights, of no use but to be named."""

    def write(architecture: str, **config: Any) -> Path:
        path = tmp_path / "model"
        path.mkdir(exist_ok=True)
        (path / "config.json").write_text(json.dumps({"architectures": [architecture], **config}))
        save_file({"weight": np.zeros(1, np.float32)}, path / "model.safetensors")
        return path

    return write


def opened(path: Path, **asked: Any) -> RawFolder:
    return open_raw(Conversion(path, "model", path / "work", **asked))


def refused(path: Path, **asked: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        opened(path, **asked)
    return caught.value


@pytest.mark.parametrize(
    ("architecture", "config", "task", "kind"),
    [
        ("DistilBertModel", {"model_type": "distilbert", "dim": 32}, "embedding", "embed"),
        ("MPNetForMaskedLM", {"model_type": "mpnet"}, "embedding", "embed"),
        ("ElectraForPreTraining", {"model_type": "electra"}, "embedding", "embed"),
        ("T5EncoderModel", {"model_type": "t5", "d_model": 32}, "states", "tensor"),
        ("T5ForConditionalGeneration", {"model_type": "t5"}, "states", "tensor"),
        ("MT5ForConditionalGeneration", {"model_type": "mt5"}, "states", "tensor"),
        ("AlbertForSequenceClassification", {"num_labels": 3}, "classification", "classify"),
        ("AlbertForSequenceClassification", {"id2label": {"0": "score"}}, "classification", "rerank"),
        ("BertForTokenClassification", {}, "tagging", "tensor"),
        ("ViTForImageClassification", {"image_size": 224}, "image", "tensor"),
    ],
)
def test_the_architecture_says_what_the_folder_is_for(
    folder: Write, architecture: str, config: dict[str, Any], task: str, kind: str
) -> None:
    """Bodies embed, heads keep their labels, T5 without pooling gives states."""
    raw = opened(folder(architecture, **config))
    assert (raw.task, raw.kind, raw.architecture) == (task, kind, architecture)
    assert raw.reads_text == (task != "image")


def test_labels_are_in_order_and_belong_to_heads(folder: Write) -> None:
    """By number, not by letter; a body has none although transformers writes two."""
    names = {str(place): f"label {place}" for place in range(12)}
    assert opened(folder("BertForTokenClassification", id2label=names)).labels == tuple(names.values())
    assert opened(folder("DistilBertModel", id2label=names)).labels == ()


@pytest.mark.parametrize(
    "architecture",
    ["GPT2LMHeadModel", "BloomForCausalLM", "BartForConditionalGeneration", "WhisperForConditionalGeneration"],
)
def test_what_writes_text_is_sent_to_vllm(folder: Write, architecture: str) -> None:
    """The error names the engine that serves it."""
    error = refused(folder(architecture))
    assert error.code == "architecture_generates"
    assert "`engine: vllm`" in error.fix
    assert refused(folder("DistilBertModel"), kind="generate").code == "architecture_generates"


def test_other_heads_are_refused_by_name(folder: Write) -> None:
    """With what is exported; also where nothing is named."""
    error = refused(folder("BertForQuestionAnswering"))
    assert error.code == "architecture_not_exported"
    assert "*ForTokenClassification" in error.cause
    path = folder("x")
    (path / "config.json").write_text("{}")
    assert refused(path).code == "architecture_not_exported"


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("DistilBertModel", "rerank"),
        ("DistilBertForSequenceClassification", "embed"),
        ("DistilBertForSequenceClassification", "rerank"),
        ("BertForTokenClassification", "classify"),
    ],
)
def test_a_kind_must_suit(folder: Write, architecture: str, kind: str) -> None:
    """The error names the kinds that do."""
    error = refused(folder(architecture), kind=kind)
    assert error.code == "kind_unsuitable"
    assert kind in error.cause


def test_a_kind_chooses_where_both_suit(folder: Write) -> None:
    """Of a body the states of its tokens, of T5 the mean of them."""
    assert opened(folder("DistilBertModel"), kind="tensor").task == "states"
    assert opened(folder("T5EncoderModel", model_type="t5"), kind="embed").task == "embedding"


@pytest.mark.parametrize(
    ("config", "preprocessor", "image"),
    [
        ({"image_size": 32}, None, (3, 32, 32)),
        ({"image_size": [16, 32], "num_channels": 1}, {"size": 224}, (1, 16, 32)),
        (
            {},
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 192}, "do_center_crop": True},
            (3, 224, 192),
        ),
        ({}, {"size": {"shortest_edge": 256}, "crop_size": 224}, (3, 256, 256)),
        ({}, {"size": {"height": 64, "width": 48}}, (3, 64, 48)),
    ],
)
def test_the_size_of_an_image(
    folder: Write, config: dict[str, Any], preprocessor: dict[str, Any] | None, image: tuple[int, ...]
) -> None:
    """The model's own, else what its preprocessor leaves."""
    path = folder("ResNetForImageClassification", **config)
    if preprocessor is not None:
        (path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    assert opened(path).image == image


def test_a_size_may_be_asked_for_where_the_model_has_none(folder: Write) -> None:
    """Another than the model's, of other channels or of another rank, is an error with both."""
    free = folder("ResNetForImageClassification")
    assert refused(free).code == "image_size_unknown"
    assert opened(free, input_shapes=((1, 3, 48, 64),)).image == (3, 48, 64)
    for shapes in (((1, 4, 48, 64),), ((3, 48, 64),), ((1, 3, 48, 64), (1, 3, 48, 64)), ((1, 3, 0, 64),)):
        assert refused(free, input_shapes=shapes).code == "image_shape_unsuitable"
    fixed = folder("ViTForImageClassification", image_size=32)
    assert refused(fixed, input_shapes=((1, 3, 48, 48),)).code == "image_shape_unsuitable"
    assert opened(fixed, input_shapes=((1, 3, 32, 32),)).image == (3, 32, 32)


def test_pickles_are_for_the_child_to_read(folder: Write) -> None:
    """`pytorch_model.bin` and its shards, where there are no safetensors; any other pickle is refused."""
    path = folder("DistilBertModel")
    (path / "pytorch_model.bin").write_bytes(b"")
    assert not opened(path).pickled
    (path / "model.safetensors").unlink()
    assert opened(path).pickled
    (path / "pytorch_model.bin").rename(path / "pytorch_model-00001-of-00001.bin")
    assert refused(path).code == "weights_pickled"
    index = path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}))
    assert [file.name for file in opened(path).weights] == ["pytorch_model-00001-of-00001.bin"]
    index.write_text(json.dumps({"weight_map": {"a": "../pytorch_model.bin"}}))
    assert refused(path).code == "weights_pickled"


def test_weights_that_are_none_are_told_before_anything_starts(folder: Write) -> None:
    """A Git LFS pointer, a quantized folder, and no weights at all."""
    path = folder("DistilBertModel")
    (path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert refused(path).code == "weights_corrupt"
    (path / "model.safetensors").unlink()
    assert refused(path).code == "weights_missing"
    assert refused(folder("DistilBertModel", quantization_config={"quant_method": "awq"})).code == "weights_quantized"


def test_what_our_writers_know_is_theirs(tiny_bert_folder: Path, minilm_folder: Path, tmp_path: Path) -> None:
    """Unless the tokenizer has to be made first, or the weights are pickled; other architectures never."""
    assert written_without_torch(tiny_bert_folder)
    assert written_without_torch(minilm_folder)
    copied = tmp_path / "copied"
    shutil.copytree(tiny_bert_folder, copied)
    (copied / "tokenizer.json").unlink()
    assert not written_without_torch(copied)
    shutil.copy(tiny_bert_folder / "tokenizer.json", copied)
    assert written_without_torch(copied)
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    assert not written_without_torch(copied)


def test_decoders_that_our_writers_know_are_theirs(folder: Write) -> None:
    """With any head; DistilBERT is not known."""
    for architecture, known in (("Qwen3ForCausalLM", True), ("Qwen3Model", True), ("DistilBertModel", False)):
        path = folder(architecture)
        (path / "tokenizer.json").write_text("{}")
        assert written_without_torch(path) == known


@given(
    st.dictionaries(
        st.sampled_from(["architectures", "id2label", "image_size", "num_labels", "model_type"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=2),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_config_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]) -> None:
    """Never another exception than ours."""
    path = tmp_path_factory.mktemp("any")
    (path / "config.json").write_text(json.dumps(config))
    assert refused(path).code in {"model_folder_invalid", "architecture_not_exported", "weights_missing"}
