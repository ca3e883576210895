"""What vLLM needs of each card: split among cards, by the options that it will get."""

from typing import Any

import msgspec
import pytest

from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.needs import Load
from freehold.deploy.fitting.needs_vllm import BATCHED_TOKENS, load_of_vllm, need_of_card, options_of, weight_bytes
from freehold.deploy.fitting.shape import Transformer
from freehold.errors import FreeholdError

GIB = 1 << 30
SHAPE = Transformer(
    layers=64, hidden=5120, heads=64, kv_heads=8, head_size=128, inner=25600, vocab_size=151936, positions=40960
)
FILES = ModelFiles("folder", "generate", 65_524_246_528, values={"BF16": 32_762_123_264}, shape=SHAPE, max_tokens=40960)


def model(**changes: Any) -> ModelConfig:
    """A model that vLLM runs."""
    return msgspec.convert({"id": "m", "source": "/models/m", "engine": "vllm", "gpus": 2, **changes}, ModelConfig)


def test_two_cards_share_weights_and_heads() -> None:
    """Qwen3-32B: 30.5 GiB of weights a card, a quarter of a megabyte a token, half of it on each card."""
    size = need_of_card(model(), FILES, Load(32768, 1))
    assert size.weights == FILES.bytes // 2
    assert size.kv == 32768 * 262_144 // 2
    assert 1.5 * GIB < size.workspace < 4 * GIB


def test_more_cards_than_heads_repeat_them() -> None:
    """A head is never cut."""
    assert need_of_card(model(gpus=16), FILES, Load(1024, 1)).kv == need_of_card(model(gpus=8), FILES, Load(1024, 1)).kv


def test_a_latent_vector_lies_on_each_card() -> None:
    """Multi-head latent attention splits no keys."""
    latent = ModelFiles("folder", "generate", GIB, shape=Transformer(layers=2, hidden=64, heads=8, latent=576))
    assert need_of_card(model(), latent, Load(1000, 1)).kv == 2 * 576 * 2 * 1000


def test_args_win() -> None:
    """As they do on vLLM's command line, in both of its spellings; a word that is no number is left to vLLM."""
    words = ("--gpu-memory-utilization=0.5", "--max-model-len", "8192", "--kv-cache-dtype", "fp8_e5m2", "-tp", "4")
    options = options_of(model(gpu_memory=0.3, context_length=1024, args=words))
    assert (options.share, options.context, options.kv_value_bytes, options.cards) == (0.5, 8192, 1, 4)
    plain = options_of(model(gpu_memory=0.3, args=("--max-model-len", "auto", "--kv-cache-dtype")))
    assert (plain.share, plain.context, plain.kv_value_bytes, plain.cards) == (0.3, None, 2, 2)
    assert (options_of(model(gpus=0)).cards, plain.batched_tokens) == (1, BATCHED_TOKENS)


def test_one_sequence_of_full_length_is_the_least() -> None:
    """vLLM refuses to start below that; `limits.concurrency` asks for more."""
    assert load_of_vllm(model(), FILES) == Load(40960, 1)
    assert load_of_vllm(model(context_length=4096, limits={"concurrency": 32}), FILES) == Load(4096, 32)


def test_single_precision_is_loaded_in_halves() -> None:
    """Quantized files stay as they lie."""
    assert weight_bytes(ModelFiles("folder", "generate", 4000, values={"F32": 1000})) == 2000
    assert weight_bytes(ModelFiles("folder", "generate", 1500, values={"I32": 300, "F16": 150})) == 1500


def test_files_without_layers_are_refused() -> None:
    """A config.json that names none."""
    with pytest.raises(FreeholdError) as caught:
        need_of_card(model(), ModelFiles("folder", "generate", 1, shape=Transformer()), Load(1, 1))
    assert caught.value.code == "fit_unreadable"
