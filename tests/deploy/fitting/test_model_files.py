"""A model's size and shape, from its files alone."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from freehold.adapt import graphs
from freehold.deploy.fitting.model_files import read_model, tensors_of
from freehold.errors import FreeholdError

WriteEncoder = Callable[..., Path]


def test_a_folder_tells_values_tables_and_shape(encoder_folder: WriteEncoder, tmp_path: Path) -> None:
    """An encoder of Hugging Face's layout, where sentence-transformers cuts at 64 tokens."""
    files = read_model(encoder_folder(tmp_path / "m"))
    assert (files.form, files.kind, files.architecture, files.max_tokens) == ("folder", "embed", "BertModel", 64)
    assert (files.shape is not None and files.shape.hidden, files.tokenizer) == (32, "WordPiece")
    assert files.bytes == (tmp_path / "m" / "model.safetensors").stat().st_size
    assert 0 < files.tables < files.parameters
    assert files.parameters * 4 <= files.bytes


def test_the_written_graph_tells_the_same(encoder_folder: WriteEncoder, tmp_path: Path) -> None:
    """Widths come from its weights, the digest from its manifest."""
    folder = encoder_folder(tmp_path / "m", hidden_size=1024, intermediate_size=2048, vocab_size=1000)
    raw, written = read_model(folder), read_model(graphs.build(folder, tmp_path / "graphs"))
    assert raw.shape is not None
    assert written.shape is not None
    assert (written.form, written.kind, written.digest[:7]) == ("artifact", "embed", "sha256:")
    assert (written.shape.hidden, written.shape.inner) == (raw.shape.hidden, raw.shape.inner)
    assert written.packed + written.mapped == pytest.approx(raw.parameters * 4, rel=0.15)


def test_a_reranker_has_one_label_and_a_classifier_several(encoder_folder: WriteEncoder, tmp_path: Path) -> None:
    """As serving reads the same files; what the configuration says goes before."""
    one = encoder_folder(tmp_path / "one", architecture="BertForSequenceClassification", labels=1)
    three = encoder_folder(tmp_path / "three", architecture="BertForSequenceClassification", labels=3)
    assert (read_model(one).kind, read_model(three).kind) == ("rerank", "classify")
    assert read_model(three, "rerank").kind == "rerank"


def test_a_decoder_generates(tmp_path: Path) -> None:
    """By its architecture, as long as nothing says that it embeds."""
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 8}))
    save_file({"model.embed_tokens.weight": np.zeros((4, 8), np.float16)}, tmp_path / "model.safetensors")
    files = read_model(tmp_path)
    assert (files.kind, files.values, files.tables) == ("generate", {"F16": 32}, 32)
    (tmp_path / "modules.json").write_text("[]")
    assert read_model(tmp_path).kind == "embed"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"num_hidden_layers": "many"}', '{"architectures": 3}'])
def test_a_config_that_tells_nothing_is_refused(tmp_path: Path, text: str) -> None:
    """With the path and the reason."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FreeholdError) as caught:
        read_model(tmp_path)
    assert caught.value.code == "fit_unreadable"
    assert str(tmp_path) in caught.value.cause


@settings(max_examples=30)
@given(st.binary(max_size=64), st.integers(0, 1 << 40))
def test_a_torn_header_is_an_error_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, length: int
) -> None:
    """Whatever lies where a safetensors header should."""
    folder = tmp_path_factory.mktemp("torn")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + header)
    with pytest.raises(FreeholdError) as caught:
        read_model(folder)
    assert caught.value.code == "fit_unreadable"


def test_the_header_names_every_tensor(tmp_path: Path) -> None:
    """Without reading a weight."""
    save_file(
        {"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.int8)}, tmp_path / "x.safetensors", {"format": "np"}
    )
    assert sorted(tensors_of(tmp_path / "x.safetensors")) == [("a", "F32", (2, 3)), ("b", "I8", (4,))]
