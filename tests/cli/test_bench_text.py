"""`freehold bench` of a generate model: what is measured, not how much it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.bench_text import LEAST_TOKENS, STREAMS, TextLevel

Freehold = Callable[..., Any]


def test_a_generate_model_is_measured_at_each_number_of_streams(
    freehold: Freehold, tiny_decoder: Callable[..., Path]
) -> None:
    """First tokens, gaps, tokens a second and processor time, beside the same graph called step after step."""
    ran = freehold("bench", str(tiny_decoder()), "--seconds", "0.05", "--json")
    assert ran.code == 0
    assert (ran.data["kind"], ran.data["unit"], ran.data["slots"]) == ("generate", "tokens", max(STREAMS))
    assert tuple(level["streams"] for level in ran.data["levels"]) == STREAMS
    for level in ran.data["levels"]:
        assert level["tokens"] >= LEAST_TOKENS * level["streams"]
        assert level["tokens_per_s"] > 0
        assert level["first_token_ms"] > 0
        assert 0 < level["token_p50_ms"] <= level["token_p99_ms"]
        assert level["cpu_ms_per_token"] > 0
        assert level["share_of_raw"] == pytest.approx(level["tokens_per_s"] / level["raw_tokens_per_s"], abs=0.001)


def test_the_table_has_a_line_a_number_of_streams(freehold: Freehold, tiny_decoder: Callable[..., Path]) -> None:
    """With its head, the model and the processor."""
    lines = freehold("bench", str(tiny_decoder()), "--seconds", "0.02").out.splitlines()
    assert "generate, fp32, proof none" in lines[0]
    assert [line.split()[0] for line in lines[-5:]] == ["STREAMS", "1", "4", "8", "16"]
    assert lines[-1].rstrip().endswith("%")


def test_the_share_is_of_the_raw_runtime() -> None:
    """Half of its rate is 0.5; a rate that was not measured gives none."""
    level = TextLevel(1, 10, 50.0, 1.0, 1.0, 1.0, 1.0, raw_tokens_per_s=100.0)
    assert level.share == 0.5
    assert TextLevel(1, 10, 50.0, 1.0, 1.0, 1.0, 1.0).share == 0.0
