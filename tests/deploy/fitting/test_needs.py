"""The formula of our own engines: its parts agree with the engine's own rules, and grow with what is asked."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from freehold.artifact import Decoder
from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.needs import (
    BUDGET_TOKENS,
    DRAFT_ROWS,
    KV_SHARE,
    MIB,
    OPENVINO_BYTES,
    PADDING_ROWS,
    SLICE_TOKENS,
    UNASKED_TOKENS,
    Load,
    capacity,
    container_load,
    kv_bytes,
    load_of,
    need,
)
from freehold.deploy.fitting.shape import Transformer
from freehold.engine import decoder_session, encoder, kv_plan, text, text_loop
from freehold.engine.kv_memory import Layout
from freehold.errors import FreeholdError
from tests.deploy.fitting.models import BERT, DECODER, QWEN

ENCODER = ModelFiles(
    "folder", "embed", 47_911_736, values={"F16": 23_953_920}, shape=BERT, max_tokens=512, tokenizer="WordPiece"
)


def model(**changes: Any) -> ModelConfig:
    """A model of the configuration."""
    return msgspec.convert({"id": "m", "source": "/models/m", **changes}, ModelConfig)


def test_the_constants_are_the_engines() -> None:
    """Said again in a room that knows no engine."""
    assert (KV_SHARE, UNASKED_TOKENS) == (kv_plan.SHARE, text.UNASKED_TOKENS)
    assert (DRAFT_ROWS, PADDING_ROWS) == (text_loop.DRAFT_ROWS, text.PADDING_ROWS)
    assert decoder_session.MEASURED_TOKENS == SLICE_TOKENS
    assert BUDGET_TOKENS in encoder.BUDGETS_TOKENS


@pytest.mark.parametrize("head_size", [16, 64, 80, 128])
@pytest.mark.parametrize("context", [15, 64, 1000, 32768])
def test_a_slot_is_as_long_as_the_engine_makes_it(head_size: int, context: int) -> None:
    """`Layout.of`, token by token and byte by byte."""
    shape = Transformer(layers=3, kv_heads=2, head_size=head_size)
    layout = Layout.of(Decoder(3, 2, head_size, 100), context)
    assert capacity(shape, context) == layout.capacity
    assert kv_bytes(shape, Load(context, 5)) == 5 * layout.capacity * layout.token_bytes


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [("fp32", 2350, 2450), ("int8", 700, 760), ("int4", 420, 450), ("w8a8", 540, 580), ("fast", 800, 840)],
)
def test_weights_are_those_of_the_precision(precision: str, least: int, most: int) -> None:
    """Qwen2.5-0.5B, tables included, as a server was seen to hold them."""
    size = need(model(precision=precision), DECODER, Load(1024, 8), cores=2)
    assert least < size.weights / MIB < most


def test_keys_and_values_are_held_to_their_budget() -> None:
    """`kv_mb` goes before what the machine leaves; beginnings take a quarter on top unless `prefix_cache_mb` says."""
    load = Load(1024, 8)
    asked = kv_bytes(QWEN, load)
    assert need(model(), DECODER, load, 2).kv == asked + asked // 4
    assert need(model(), DECODER, load, 2, 100 * MIB).kv == 125 * MIB
    stated = model(generation={"kv_mb": 64, "prefix_cache_mb": 0})
    assert need(stated, DECODER, load, 2, 100 * MIB).kv == 64 * MIB


def test_the_load_is_what_is_asked_for() -> None:
    """Context by the configuration, never beyond the model's; sequences by `limits.concurrency`, never beyond slots."""
    assert load_of(model(), DECODER) == Load(32768, 8)
    assert load_of(model(context_length=100_000), DECODER) == Load(32768, 8)
    limited = model(context_length=2048, limits={"concurrency": 3}, generation={"slots": 16})
    assert load_of(limited, DECODER) == Load(2048, 3)
    assert load_of(model(limits={"concurrency": 64}), DECODER).concurrency == 8
    assert container_load(model(), DECODER) == Load(UNASKED_TOKENS, 8)
    assert container_load(limited, DECODER) == Load(2048, 3)
    assert load_of(model(context_length=128), ENCODER) == Load(128, 1)
    cut = replace(ENCODER, max_tokens=64)
    assert (load_of(model(), cut).context, load_of(model(context_length=900), cut).context) == (64, 512)


def test_an_encoder_grows_with_threads_and_long_texts_and_not_with_workers_weights() -> None:
    """Half-precision files become float32; a batch is 512 tokens at most, a longer text a batch by itself."""
    short = need(model(), ENCODER, Load(512, 1), cores=2)
    assert short.weights == 23_953_920 * 4
    long = need(model(), ENCODER, Load(4096, 1), cores=2)
    many = need(model(), ENCODER, Load(512, 1), cores=8)
    shared = need(model(workers=4), ENCODER, Load(512, 1), cores=2)
    assert short.workspace < many.workspace
    assert short.workspace < long.workspace
    assert (shared.weights, shared.kv) == (short.weights, 0)
    assert shared.workspace > short.workspace


def test_the_formula_names_its_numbers() -> None:
    """A line for each part."""
    lines = need(model(precision="int4"), DECODER, Load(1024, 8), 2).formula
    assert [line.split(" ")[0] for line in lines] == ["weights", "KV", "workspace"]
    assert "8 x 1040 tokens x 24576 bytes" in lines[1]


def test_files_without_a_shape_are_refused() -> None:
    """With the source that the configuration names."""
    with pytest.raises(FreeholdError) as caught:
        need(model(), ModelFiles("artifact", "embed", 1), Load(1, 1), 1)
    assert (caught.value.code, "/models/m" in caught.value.cause) == ("fit_unreadable", True)


def test_openvino_keeps_weights_of_its_own() -> None:
    """In each process, beside the mapped ones; in bf16 half as many bytes, as of its activations."""
    plain = need(model(), ENCODER, Load(512, 1), 2)
    full = need(model(device="openvino"), ENCODER, Load(512, 1), 2)
    half = need(model(device="openvino", precision="bf16"), ENCODER, Load(512, 1), 2)
    assert (full.weights, half.weights) == (2 * plain.weights, plain.weights * 3 // 2)
    assert full.workspace - plain.workspace == OPENVINO_BYTES
    assert half.workspace < plain.workspace + OPENVINO_BYTES
    three = need(model(device="openvino", precision="bf16", workers=3), ENCODER, Load(512, 1), 2)
    assert three.weights == plain.weights * 5 // 2
    assert "in 16 bits for OpenVINO" in half.formula[0]


def test_auto_is_counted_as_what_it_may_become() -> None:
    """bf16 of an artifact; a folder has no goldens of another framework, so it stays as it is."""
    folder, artifact = (replace(ENCODER, form=form, packed=2 * MIB, mapped=MIB) for form in ("folder", "artifact"))
    auto, plain = model(precision="auto"), model()
    assert need(auto, folder, Load(512, 1), 2) == need(plain, folder, Load(512, 1), 2)
    assert need(auto, artifact, Load(512, 1), 2).weights == 3 * MIB * 3 // 2
