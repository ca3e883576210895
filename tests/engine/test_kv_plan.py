"""How much memory keys and values get."""

import logging

import pytest

from freehold.artifact import Decoder
from freehold.engine.kv_plan import plan_kv
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

DECODER = Decoder(layers=4, kv_heads=2, head_size=64, vocab_size=10)  # 4 KiB a token
GIB = 1 << 30


def test_a_quarter_of_the_memory_and_a_quarter_of_that_for_what_prompts_share() -> None:
    """Where the configuration says nothing."""
    plan = plan_kv(DECODER, 2000, EngineSettings(slots=100), GIB, "m")
    assert plan.tokens == GIB // 4 // 4096
    assert plan.prefix_bytes == GIB // 16
    assert plan.context_length == 2000
    assert plan.layout.capacity > 2000


def test_the_configuration_decides_where_it_speaks() -> None:
    """In MiB; no more tokens than the slots can hold."""
    plan = plan_kv(DECODER, 2000, EngineSettings(kv_mb=100, prefix_cache_mb=0, slots=100), GIB, "m")
    assert plan.tokens == 100 * 256
    assert plan.prefix_bytes == 0
    few = plan_kv(DECODER, 2000, EngineSettings(kv_mb=100, slots=2), GIB, "m")
    assert few.tokens == 2 * few.layout.capacity


def test_a_context_that_memory_cannot_hold_is_shortened_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One sequence of that length fits then."""
    with caplog.at_level(logging.WARNING):
        plan = plan_kv(DECODER, 10_000, EngineSettings(kv_mb=10), GIB, "m")
    assert plan.context_length == 10 * 256 - 1
    assert plan.layout.capacity <= plan.tokens
    assert "2559" in caplog.text


def test_memory_for_nothing_is_an_error_that_says_how_much_is_needed() -> None:
    """Instead of a model that refuses every request."""
    large = Decoder(layers=64, kv_heads=64, head_size=128, vocab_size=10)
    with pytest.raises(FreeholdError) as short:
        plan_kv(large, 1000, EngineSettings(kv_mb=1), GIB, "m")
    assert short.value.code == "kv_memory_short"
    assert "32" in short.value.fix  # 4 MiB a token, 8 of them a page
