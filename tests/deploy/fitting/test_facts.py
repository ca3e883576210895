"""Facts of models for deployments."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from freehold.config import ModelConfig
from freehold.deploy.fitting.facts import facts_of, size_of
from freehold.deploy.services.units import Facts


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    """A folder of two layers with two heads of 16 each, as far as facts read it."""
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = {"architectures": ["Qwen2ForCausalLM"], "vocab_size": 320, "max_position_embeddings": 512, **sizes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"model.embed_tokens.weight": np.zeros((320, 64), np.float16)}, tmp_path / "model.safetensors")
    return tmp_path


def model(source: object, **changes: Any) -> ModelConfig:
    """A model of the configuration."""
    return msgspec.convert({"id": "m", "source": str(source), **changes}, ModelConfig)


def test_an_encoder_tells_its_bytes_and_what_a_container_of_it_needs(
    encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """More with more cores, since each thread has a batch."""
    folder = encoder_folder(tmp_path / "m")
    facts = facts_of(model(folder, resources={"cpu": 2}), folder)
    more = facts_of(model(folder), folder)
    assert (facts.bytes, facts.architecture) == ((folder / "model.safetensors").stat().st_size, "BertModel")
    assert facts.memory_mb is not None
    assert more.memory_mb is not None
    assert 115 < facts.memory_mb < more.memory_mb
    assert facts.kv_mb is None


def test_a_decoder_tells_its_keys_and_values(decoder: Path) -> None:
    """By `context_length` and slots: what its service is told to take."""
    facts = facts_of(model(decoder, context_length=256), decoder)
    assert facts.kv_mb == 2  # 8 x 320 tokens x 2 layers x 64 values x 4 bytes
    assert facts.memory_mb is not None


def test_models_elsewhere_tell_nothing() -> None:
    """An upstream, and files that are not here."""
    assert facts_of(model("https://llm.corp.local/v1"), None) == Facts()
    assert facts_of(model("/models/m"), None) == Facts()


def test_another_servers_model_tells_its_size_alone(tmp_path: Path) -> None:
    """Its files may be of any form."""
    (tmp_path / "weights.gguf").write_bytes(b"x" * 1000)
    found = facts_of(model(tmp_path, command=["serve", "{port}"]), tmp_path)
    assert found == Facts(bytes=1000)
    assert size_of(tmp_path / "weights.gguf") == 1000


def test_a_model_in_vllm_tells_what_chooses_its_parsers(decoder: Path) -> None:
    """The architecture; memory is the cards'."""
    found = facts_of(model(decoder, engine="vllm", gpus=1), decoder)
    assert (found.architecture, found.memory_mb) == ("Qwen2ForCausalLM", None)
