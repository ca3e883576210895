"""Facts of models for deployments."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from freehold.adapt import graphs
from freehold.config import ModelConfig
from freehold.deploy.fitting.facts import SMALL, facts_of, fingerprint, size_of
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
    facts = facts_of(model(folder), folder, cores=2)
    more = facts_of(model(folder), folder)
    assert (facts.bytes, facts.architecture) == ((folder / "model.safetensors").stat().st_size, "BertModel")
    assert facts.memory_mb is not None
    assert more.memory_mb is not None
    assert 115 < facts.memory_mb < more.memory_mb
    assert (facts.kv_mb, facts.cores, more.cores) == (None, 2, 8)


def test_a_decoder_tells_its_keys_and_values(decoder: Path) -> None:
    """By `context_length` and slots: what its service is told to take."""
    facts = facts_of(model(decoder, context_length=256), decoder)
    assert facts.kv_mb == 2  # 8 x 320 tokens x 2 layers x 64 values x 4 bytes
    assert facts.memory_mb is not None
    assert facts.cores is None
    assert facts_of(model(decoder, context_length=256), decoder, cores=64) == facts


def test_models_elsewhere_tell_nothing() -> None:
    """An upstream, and files that are not here."""
    assert facts_of(model("https://llm.corp.local/v1"), None) == Facts()
    assert facts_of(model("/models/m"), None) == Facts()


def test_another_servers_model_tells_its_size_alone(tmp_path: Path) -> None:
    """Its files may be of any form."""
    (tmp_path / "weights.gguf").write_bytes(b"x" * 1000)
    found = facts_of(model(tmp_path, command=["serve", "{port}"]), tmp_path)
    assert found == Facts(bytes=1000, fingerprint=fingerprint(tmp_path))
    assert size_of(tmp_path / "weights.gguf") == 1000


def test_a_model_in_vllm_tells_what_chooses_its_parsers(decoder: Path) -> None:
    """The architecture; memory is the cards'."""
    found = facts_of(model(decoder, engine="vllm", gpus=1), decoder)
    assert (found.architecture, found.memory_mb) == ("Qwen2ForCausalLM", None)


def test_an_artifact_is_known_by_its_digest_alone(encoder_folder: Callable[..., Path], tmp_path: Path) -> None:
    """Its manifest names every file."""
    artifact = graphs.build(encoder_folder(tmp_path / "m"), tmp_path / "graphs")
    facts = facts_of(model(artifact), artifact)
    assert facts.digest.startswith("sha256:")
    assert facts.fingerprint == ""


def test_files_changed_in_place_are_known(decoder: Path) -> None:
    """Small ones by their bytes, large ones by when they were written, all by name and size; hidden ones are no part of
    the model."""
    weights = decoder / "model.safetensors"
    weights.write_bytes(b"0" * (SMALL + 1))
    seen = [fingerprint(decoder)]
    os.utime(decoder / "config.json", (1, 1))
    (decoder / ".git").mkdir()
    (decoder / ".git" / "index").write_text("x")
    assert fingerprint(decoder) == seen[0]
    for change in (
        lambda: os.utime(weights, (1, 1)),
        lambda: (decoder / "config.json").write_text("{}"),
        lambda: (decoder / "chat_template.jinja").write_text(""),
        lambda: weights.rename(decoder / "other.safetensors"),
        lambda: weights.with_name("other.safetensors").write_bytes(b"0" * (SMALL + 2)),
    ):
        change()
        seen.append(fingerprint(decoder))
    assert len(set(seen)) == 6
    assert all(re.fullmatch(r"files:[0-9a-f]{16}", one) for one in seen)


def test_the_weights_beside_a_graph_belong_to_it(tmp_path: Path) -> None:
    """And no other file of its folder does."""
    graph, data, other = (tmp_path / name for name in ("m.onnx", "m.data", "other.onnx"))
    graph.write_bytes(b"\x0a\x08location\x12\x06m.data")
    data.write_bytes(b"1")
    before = fingerprint(graph)
    other.write_bytes(b"1")
    assert fingerprint(graph) == before
    data.write_bytes(b"2")
    assert fingerprint(graph) != before


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A link into nothing is left out; a folder that is gone has no files; what is there must be readable."""
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nothing")
    assert fingerprint(tmp_path).startswith("files:")
